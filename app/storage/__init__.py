"""Storage: pictures, thumbnails and their metadata on disk. A file is there whole or not at all."""
