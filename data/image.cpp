#include "data/image.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <limits>
#include <memory>

#include "data/jpeg.h"
#include "kernels/error.h"
#include "kernels/files.h"
#include "kernels/printable.h"

namespace {

// stb_image allocates through these: a hostile header cannot take more memory than one decode is allowed, and damaged
// photos never show uninitialised memory.
constexpr std::size_t decode_budget_bytes = std::size_t{1} << 30;
constexpr std::size_t block_header_bytes = 16;  // keeps malloc's alignment
thread_local std::size_t decode_bytes = 0;

void* counted_malloc(std::size_t size) {
  if (size > decode_budget_bytes || decode_bytes + size > decode_budget_bytes) return nullptr;
  auto* block = static_cast<unsigned char*>(std::calloc(1, size + block_header_bytes));
  if (block == nullptr) return nullptr;
  std::memcpy(block, &size, sizeof size);
  decode_bytes += size;
  return block + block_header_bytes;
}

void counted_free(void* pointer) {
  if (pointer == nullptr) return;
  unsigned char* block = static_cast<unsigned char*>(pointer) - block_header_bytes;
  std::size_t size = 0;
  std::memcpy(&size, block, sizeof size);
  decode_bytes -= size;
  std::free(block);
}

[[maybe_unused]] void* counted_realloc(void* pointer, std::size_t old_size, std::size_t new_size) {
  void* grown = counted_malloc(new_size);
  if (grown == nullptr) return nullptr;
  if (pointer != nullptr) std::memcpy(grown, pointer, std::min(old_size, new_size));
  counted_free(pointer);
  return grown;
}

}  // namespace

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wall"
#pragma GCC diagnostic ignored "-Wextra"
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wunused-function"
#define STBI_ONLY_PNG
#define STBI_NO_STDIO
#define STBI_MAX_DIMENSIONS 16384
#define STBI_MALLOC(size) counted_malloc(size)
#define STBI_REALLOC_SIZED(pointer, old_size, new_size) counted_realloc(pointer, old_size, new_size)
#define STBI_FREE(pointer) counted_free(pointer)
#define STB_IMAGE_STATIC
#define STBI_WRITE_NO_STDIO
#define STB_IMAGE_WRITE_STATIC
#ifndef __clang_analyzer__  // static analysis is for our code; stb's gets declared only
#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_WRITE_IMPLEMENTATION
#endif
#include <stb/stb_image.h>
#include <stb/stb_image_write.h>
#pragma GCC diagnostic pop

namespace thaw {
namespace fs = std::filesystem;

static_assert(max_image_side == STBI_MAX_DIMENSIONS);

namespace {

using Bytes = std::span<const std::uint8_t>;

bool is_jpeg(Bytes b) { return b.size() >= 3 && b[0] == 0xFF && b[1] == 0xD8 && b[2] == 0xFF; }

bool is_png(Bytes b) {
  static constexpr std::uint8_t magic[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'};
  return b.size() >= sizeof magic && std::equal(std::begin(magic), std::end(magic), b.begin());
}

std::size_t four_bytes(Bytes b, std::size_t at) {
  return std::size_t{b[at]} << 24 | std::size_t{b[at + 1]} << 16 | std::size_t{b[at + 2]} << 8 | b[at + 3];
}

/// Of the header chunk, which comes first; nothing where there is none.
ImageSize png_size(Bytes b) {
  if (b.size() < 24 || std::memcmp(b.data() + 12, "IHDR", 4) != 0) return {};
  const auto side = [b](std::size_t at) {
    return static_cast<int>(std::min<std::size_t>(four_bytes(b, at), std::numeric_limits<int>::max()));
  };
  return {side(16), side(20)};
}

/// Where the first chunk of that name begins, of those before the file's end or a chunk that is cut off; else 0.
std::size_t find_chunk(Bytes b, const char* name) {
  std::size_t at = 8;
  while (at + 12 <= b.size()) {
    const std::size_t length = four_bytes(b, at);
    if (length > b.size() - at - 12) return 0;
    if (std::memcmp(b.data() + at + 4, name, 4) == 0) return at;
    at += 12 + length;
  }
  return 0;
}

bool png_is_complete(Bytes b) { return find_chunk(b, "IEND") != 0; }

/// Returns what is wrong with the file, or nothing where it was decoded.
std::string decode_png(Bytes bytes, Image& image) {
  // stb would copy no bytes to nowhere, which C forbids; no encoder begins with nothing.
  const std::size_t data = find_chunk(bytes, "IDAT");
  if (data != 0 && four_bytes(bytes, data) == 0) return "a first IDAT chunk without data";
  int channels = 0;
  const std::unique_ptr<stbi_uc, void (*)(void*)> pixels(
      stbi_load_from_memory(bytes.data(), static_cast<int>(bytes.size()), &image.width, &image.height, &channels, 3),
      stbi_image_free);
  if (pixels == nullptr) {
    const std::string reason = printable(stbi_failure_reason());  // which can quote the file, even a name of zeros
    return reason.empty() ? "a chunk without a name" : reason;
  }
  image.rgb.assign(pixels.get(),
                   pixels.get() + static_cast<std::size_t>(image.width) * static_cast<std::size_t>(image.height) * 3);
  return {};
}

void check_filled(const Image& image) {
  const std::size_t expected =
      static_cast<std::size_t>(std::max(image.width, 0)) * static_cast<std::size_t>(std::max(image.height, 0)) * 3;
  if (expected == 0 || image.rgb.size() != expected) {
    fail(ErrorKind::failed, "[image] {} x {} pixels with {} bytes cannot be written; expected {} bytes, more than none",
         image.width, image.height, image.rgb.size(), expected);
  }
}

void append_bytes(void* context, void* data, int size) {
  static_cast<std::string*>(context)->append(static_cast<const char*>(data), static_cast<std::size_t>(size));
}

/// Width and height from the header.
ImageSize header_size(Bytes bytes, std::string_view name) {
  const ImageSize size = is_png(bytes) ? png_size(bytes) : jpeg_size(bytes);
  if (size.width == 0 || size.height == 0) {
    fail(ErrorKind::data, "'{}' has an unusable {} header (it has no size); copy the file again or remove it", name,
         is_png(bytes) ? "PNG" : "JPEG");
  }
  return size;
}

}  // namespace

bool looks_like_image(Bytes bytes) { return is_jpeg(bytes) || is_png(bytes); }

ImageSize image_size(Bytes bytes, std::string_view name) {
  if (bytes.empty()) fail(ErrorKind::data, "'{}' is an empty file, not a photo; remove it or copy it again", name);
  if (bytes.size() > max_image_file_bytes) {
    fail(ErrorKind::data, "'{}' has {} bytes, more than the {} allowed for a photo; make it smaller", name,
         bytes.size(), max_image_file_bytes);
  }
  if (!looks_like_image(bytes)) {
    fail(ErrorKind::data, "'{}' is no photo: expected a JPEG or PNG file, found other bytes; convert or remove it",
         name);
  }
  const ImageSize size = header_size(bytes, name);
  if (size.width > max_image_side || size.height > max_image_side ||
      std::int64_t{size.width} * size.height > max_image_pixels) {
    fail(ErrorKind::data,
         "'{}' has {} x {} pixels, more than the {} a side or {} in all that are allowed; make it smaller", name,
         size.width, size.height, max_image_side, max_image_pixels);
  }
  return size;
}

Image decode_image(Bytes bytes, std::string_view name) {
  const ImageSize size = image_size(bytes, name);
  if (!(is_png(bytes) ? png_is_complete(bytes) : jpeg_is_complete(bytes))) {
    fail(ErrorKind::data,
         "'{}' is truncated: its {} bytes do not reach the end of the picture; copy it again or remove it", name,
         bytes.size());
  }
  const bool png = is_png(bytes);
  Image image{size.width, size.height, {}};
  const std::string reason = png ? decode_png(bytes, image) : decode_jpeg(bytes, image);
  if (!reason.empty()) {
    fail(ErrorKind::data, "'{}' is damaged: {} where a {} photo was expected; copy it again or remove it", name, reason,
         png ? "PNG" : "JPEG");
  }
  return image;
}

std::vector<std::uint8_t> read_image_file(const fs::path& path) {
  std::error_code error;
  const std::uintmax_t size = fs::file_size(path, error);
  if (error) fail(ErrorKind::data, "cannot read '{}': {}; check that the file exists", path.string(), error.message());
  if (size > max_image_file_bytes) {
    fail(ErrorKind::data, "'{}' has {} bytes, more than the {} allowed for a photo; make it smaller", path.string(),
         size, max_image_file_bytes);
  }
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(size));
  std::ifstream in(path, std::ios::binary);
  in.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(size));
  if (!in || static_cast<std::uintmax_t>(in.gcount()) != size) {
    fail(ErrorKind::data, "cannot read the {} bytes of '{}'; check that you may read it", size, path.string());
  }
  return bytes;
}

Image load_image(const fs::path& path) { return decode_image(read_image_file(path), path.string()); }

std::string encode_png(const Image& image) {
  check_filled(image);
  std::string bytes;
  if (stbi_write_png_to_func(append_bytes, &bytes, image.width, image.height, 3, image.rgb.data(), image.width * 3) ==
      0)
    fail(ErrorKind::failed, "cannot encode a PNG of {} x {} pixels: out of memory", image.width, image.height);
  return bytes;
}

std::string encode_jpeg(const Image& image, int quality) {
  check_filled(image);
  std::string bytes;
  if (stbi_write_jpg_to_func(append_bytes, &bytes, image.width, image.height, 3, image.rgb.data(), quality) == 0)
    fail(ErrorKind::failed, "cannot encode a JPEG of {} x {} pixels", image.width, image.height);
  return bytes;
}

void write_png(const fs::path& path, const Image& image) { write_file_atomically(path, encode_png(image)); }

}  // namespace thaw
