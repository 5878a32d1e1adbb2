"""The color maps, as points that straight lines lead through. Nothing is imported here: options list their names."""

COLORMAPS = {
    # red, green, blue at equal steps from 0 to 1
    "jet": ["00007f", "0000ff", "007fff", "00ffff", "7fff7f", "ffff00", "ff7f00", "ff0000", "7f0000"],
    "viridis": ["440154", "472d7b", "3b528b", "2c728e", "21918c", "28ae80", "5ec962", "addc30", "fde725"],
    "inferno": ["000004", "210c4a", "57106e", "8a226a", "bc3754", "e45a31", "f98e09", "f9cb35", "fcffa4"],
    "turbo": ["30123b", "4675ed", "1bcfd4", "62fc6b", "d1e834", "fe9b2d", "d93806", "7a0403"],
    "gray": ["000000", "ffffff"],
}
