"""Links and addresses that strangers bring: what leads inside, what is no link, and what is the internet."""

INSIDE = [
    "127.0.0.1", "127.255.255.254", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.0.1",
    "169.254.169.254", "0.0.0.0", "0.1.2.3", "100.64.0.1", "100.127.255.255", "192.0.0.1",
    "192.0.0.8", "192.0.2.1", "192.88.99.1", "198.18.0.1", "198.51.100.1", "203.0.113.1",
    "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
    "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:8.8.8.8",
    "64:ff9b::a9fe:a9fe", "64:ff9b::7f00:1", "64:ff9b:1::1", "100::1", "2001::1", "2001:db8::1",
    "2002:7f00:1::", "2002:a9fe:a9fe::", "3fff::1", "5f00::1", "fc00::1", "fd00::1", "fe80::1",
    "fe80::1%eth0", "fec0::1", "ff02::1", "ff0e::1",
]  # fmt: skip
OUTSIDE = ["1.1.1.1", "8.8.8.8", "162.159.135.232", "2606:4700:4700::1111", "2a00:1450:4001::1"]

# Of what a resolver makes 127.0.0.1, or a parser something else than a browser would.
LINKS = [
    "https://127.0.0.1/", "https://127.1/", "https://2130706433/", "https://0x7f000001/",
    "https://0177.0.0.1/", "https://0x7f.0.0.1/", "https://0/", "https://localhost/",
    "https://[::1]/", "https://[::ffff:127.0.0.1]/", "https://[64:ff9b::7f00:1]/",
    "https://169.254.169.254/latest/meta-data/", "https://10.0.0.1/", "https://[fe80::1]/",
    "http://1.1.1.1/", "http://127.0.0.1/", "ftp://1.1.1.1/", "file:///etc/passwd", "gopher://1.1.1.1/",
    "data:image/png;base64,AAAA", "//1.1.1.1/", "1.1.1.1", "", "https://", "https:///a.png",
    "https://1.1.1.1:8443/", "https://1.1.1.1:22/", "https://1.1.1.1:0/", "https://1.1.1.1:99999/",
    "https://user@1.1.1.1/", "https://user:word@1.1.1.1/", "https://1.1.1.1@127.0.0.1/",
    "https://1.1.1.1\\@127.0.0.1/", "https://1.1.1.1/a b", "https://1.1.1.1/\r\nHost: x",
    "https://1.1.1.1/\x00", "https://１２７.0.0.1/", "https://ⓛocalhost/", "https://[::1",
    "https://" + "a" * 3000 + ".example/",
]  # fmt: skip

# All of it as one list of links, for whoever visits what strangers name.
ABROAD = [*LINKS, *(f"https://[{one}]/" if ":" in one else f"https://{one}/" for one in INSIDE)]
