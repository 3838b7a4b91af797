#pragma once

#include "data/image.h"

namespace thaw {

/// Decodes a whole JPEG file whose size is known from its header, to RGB, into `image.rgb`. The pixels are those of
/// TensorFlow's `decode_jpeg` with its default options: libjpeg-turbo's fast integer transform, smooth ("fancy")
/// upsampling of the colours. Returns what is wrong with the file, or nothing where it was decoded.
std::string decode_jpeg(std::span<const std::uint8_t> bytes, Image& image);

}  // namespace thaw
