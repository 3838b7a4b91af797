#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace thaw {

/// A decoded photo: 8-bit RGB, rows from the top, (height, width, 3).
struct Image {
  int width = 0, height = 0;
  std::vector<std::uint8_t> rgb;
};

/// A box of whole pixels inside an image.
struct PixelBox {
  int y = 0, x = 0, height = 0, width = 0;
};

struct ImageSize {
  int width = 0, height = 0;
};

/// Photos come from strangers: what is larger than this is refused by its header, before memory is taken.
inline constexpr std::size_t max_image_file_bytes = std::size_t{64} << 20;
inline constexpr int max_image_side = 16384;
inline constexpr std::int64_t max_image_pixels = 64'000'000;

/// True if the bytes begin like a JPEG or a PNG file.
bool looks_like_image(std::span<const std::uint8_t> bytes);

/// Width and height from the header alone. Errors as `decode_image`.
ImageSize image_size(std::span<const std::uint8_t> bytes, std::string_view name);

/// Decodes a JPEG or PNG file, whatever its name says, to RGB; grey is repeated, alpha dropped, EXIF rotation ignored
/// (as TensorFlow does). Throws `Error` (data) naming `name` for anything else, for a damaged or truncated file and
/// for one beyond the limits above. Thread-safe.
Image decode_image(std::span<const std::uint8_t> bytes, std::string_view name);

/// Reads and decodes a file; the errors name its path.
Image load_image(const std::filesystem::path& path);

/// The bytes of a photo file, at most `max_image_file_bytes`. Throws `Error` (data) naming the path.
std::vector<std::uint8_t> read_image_file(const std::filesystem::path& path);

/// `tf.image.resize(image, (size_h, size_w))`: bilinear, half-pixel centres, not antialiased, aspect ratio not kept.
/// Writes size_h * size_w * 3 floats in 0..255, not rounded, (H,W,C). The arithmetic is TensorFlow's ResizeBilinear:
/// source = (i + 0.5f) * (in / out) - 0.5f, then top, bottom and their mix as a + (b - a) * lerp, all in float.
void resize_bilinear(const Image& image, int size_h, int size_w, float* out);

/// The same on a box of the image, optionally mirrored left to right after resizing.
void resize_bilinear(const Image& image, const PixelBox& box, int size_h, int size_w, bool flip, float* out);

/// The image as bytes of a PNG or (4:2:0 below quality 91, 4:4:4 above) JPEG file.
std::string encode_png(const Image& image);
std::string encode_jpeg(const Image& image, int quality);

/// Writes a PNG file, whole or not at all. Throws `Error` (failed) naming the path.
void write_png(const std::filesystem::path& path, const Image& image);

}  // namespace thaw
