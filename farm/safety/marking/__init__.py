"""How a number is hidden in a picture's brightness and found again. The doors are farm.safety.watermark's."""
