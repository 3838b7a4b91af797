#pragma once

#include "data/image.h"

namespace thaw {

/// Width and height from the frame header; 0 x 0 where none comes before the pixels.
ImageSize jpeg_size(std::span<const std::uint8_t> bytes);

/// Whether the markers lead to the end-of-image marker, so that a file cut anywhere is called truncated. A search for
/// FF D9 would be fooled by an embedded thumbnail; the walk is not.
bool jpeg_is_complete(std::span<const std::uint8_t> bytes);

/// Decodes a whole JPEG file whose size is known from its header, to RGB, into `image.rgb`. The pixels are those of
/// TensorFlow's `decode_jpeg` with its default options: libjpeg-turbo's fast integer transform, smooth ("fancy")
/// upsampling of the colours. Returns what is wrong with the file, or nothing where it was decoded.
std::string decode_jpeg(std::span<const std::uint8_t> bytes, Image& image);

}  // namespace thaw
