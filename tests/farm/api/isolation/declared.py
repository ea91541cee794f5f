"""Every route and who it lets in. A route that is missing here turns tests/farm/api/test_isolation.py red."""

from collections.abc import Callable, Mapping
from typing import Any

from tests.farm.api.isolation.kinds import (
    OPERATOR,
    OWN,
    PUBLIC,
    SERVER,
    STAFF,
    STAFF_THING,
    THING,
    Expected,
    Met,
    Role,
)

# Proposals wait for two people of the house; there is none by that number.
_PROPOSAL = {
    **OPERATOR,
    Role.MODERATOR: Met.HIDDEN,
    Role.FOREIGN: Met.HIDDEN,
    Role.ADMIN: Met.HIDDEN,
}
_BY_KIND: Mapping[str, tuple[Expected, str]] = {
    "public": (
        PUBLIC,
        """
        openapi static-offline-docs custom_swagger_ui_html swagger_ui_redirect redoc_html asset healthz
        metrics frontpage page_file
        """,
    ),
    "own": (
        OWN,
        """
        mj_imagine mj_shorten mj_list mj_list_by_condition follow_jobs follow_jobs_by_socket create_key
        list_keys exchange_token who_am_i list_models get_model list_samplers list_plans get_queue
        check_prompt list_parameters create_image create_job list_jobs list_receipts list_gallery
        list_favourites get_preferences change_preferences create_lora list_loras create_webhook
        list_webhooks create_edit create_image_variation create_blend create_enlargement create_upload
        create_quote create_batch verify_picture get_report get_text_service generate_text
        expand_prompt shorten_prompt describe_picture unmark_favourite get_job_secret rotate_job_secret
        mj_blend mj_describe horde_generate horde_models horde_find_user horde_heartbeat
        """,
    ),
    "thing": (
        THING,
        """
        mj_change mj_simple_change mj_action mj_modal mj_fetch mj_cancel mj_image_seed mj_image
        follow_job follow_job_by_socket get_key rotate_key revoke_key get_job cancel_job get_receipt
        mark_favourite get_lora change_lora delete_lora report_picture appeal_case
        get_webhook change_webhook end_webhook rotate_webhook ping_webhook list_deliveries redeliver
        horde_check horde_status horde_cancel
        create_reroll create_variation create_upscale create_zoom create_pan create_square create_region
        """,
    ),
    "staff": (
        STAFF,
        """
        list_cases list_proposals get_policy list_pauses list_terms get_person warn_person strike_person
        ban_person list_waiting_loras
        """,
    ),
    "staff's thing": (
        STAFF_THING,
        """
        get_case blur_case reveal_case decide_case refund_job approve_lora decline_lora
        """,
    ),
    "server": (
        SERVER,
        """
        block_term unblock_term move_quota propose_policy
        """,
    ),
    "operator": (
        OPERATOR,
        """
        pause resume load_model unload_model list_wishes load_lora unload_lora
        list_lora_wishes
        """,
    ),
    "proposal": (
        _PROPOSAL,
        """
        approve_proposal reject_proposal
        """,
    ),
    "unban": (STAFF, "unban_person"),
}
DECLARED: Mapping[str, Expected] = {
    name: expected for expected, names in _BY_KIND.values() for name in names.split()
}

# What is sent where the example of the description does not name what the route is about.
Body = Callable[[Mapping[str, str]], Any]
BODIES: Mapping[str, Body] = {
    "mj_change": lambda of: {"taskId": of["task_id"], "action": "UPSCALE", "index": 1},
    "mj_simple_change": lambda of: {"content": f"{of['task_id']} U1"},
    "mj_action": lambda of: {
        "taskId": of["task_id"],
        "customId": f"MJ::JOB::upsample::1::{of['task_id']}",
    },
    "mj_modal": lambda of: {"taskId": of["task_id"], "prompt": "a boat"},
    "mj_list_by_condition": lambda of: {"ids": [of["task_id"]]},
    "create_image": lambda _: {},  # with a prompt it would wait for its picture
    "create_webhook": lambda _: {"url": "http://127.0.0.1/"},  # no name is looked up
}
# A code that says of this route's thing that it is not there.
ABSENT_TOO = {"report_picture": "no_picture"}
PATHS = {
    "get_report": "/v1/reports/usage",
    "page_file": "/page/app.js",
    "static-offline-docs": "/static-offline-docs/favicon.png",
}
