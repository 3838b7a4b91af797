#include "data/jpeg.h"

#include <csetjmp>
#include <cstdio>
// jpeglib.h needs <cstdio> before it.
#include <jerror.h>
#include <jpeglib.h>

namespace thaw {

namespace {

// A hostile file is slow or large only within these bounds: coefficients of a progressive photo, and its passes.
constexpr long memory_budget_bytes = 1L << 30;
constexpr int max_scans = 500;

using Bytes = std::span<const std::uint8_t>;

/// Where the next marker (FF xx) begins that is followed by a segment or ends the photo, from `at` on; entropy-coded
/// bytes, restart markers and fill bytes are skipped. The number of bytes where there is none.
std::size_t next_marker(Bytes b, std::size_t at) {
  for (; at + 1 < b.size(); ++at) {
    const std::uint8_t code = b[at + 1];
    if (b[at] == 0xFF && code != 0x00 && code != 0xFF && (code < 0xD0 || code > 0xD7)) return at;
  }
  return b.size();
}

constexpr std::size_t first_marker = 2;  // behind FF D8
constexpr std::uint8_t end_of_image = 0xD9, start_of_scan = 0xDA;

/// A frame header; C4, C8 and CC are tables and an extension.
bool is_frame(std::uint8_t code) {
  return code >= 0xC0 && code <= 0xCF && code != 0xC4 && code != 0xC8 && code != 0xCC;
}

std::size_t two_bytes(Bytes b, std::size_t at) { return std::size_t{b[at]} << 8 | b[at + 1]; }

/// libjpeg reports errors by a callback that must not return; ours jumps back out of the library.
struct Decoder {
  jpeg_decompress_struct state;
  jpeg_error_mgr errors;
  jpeg_progress_mgr progress;
  std::jmp_buf out;
  char message[JMSG_LENGTH_MAX];
};

Decoder& decoder_of(j_common_ptr state) { return *static_cast<Decoder*>(state->client_data); }

[[noreturn]] void stop(j_common_ptr state) {
  Decoder& decoder = decoder_of(state);
  decoder.errors.format_message(state, decoder.message);
  std::longjmp(decoder.out, 1);
}

/// Warnings are errors where pixels are lost (libjpeg would go on with grey); the rest is cameras' sloppiness.
void on_message(j_common_ptr state, int level) {
  if (level >= 0) return;
  switch (state->err->msg_code) {
    case JWRN_EXTRANEOUS_DATA:
    case JWRN_JFIF_MAJOR:
    case JWRN_ADOBE_XFORM: return;
    default: stop(state);
  }
}

void limit_scans(j_common_ptr state) {
  if (decoder_of(state).state.input_scan_number <= max_scans) return;
  std::snprintf(decoder_of(state).message, JMSG_LENGTH_MAX, "more than %d passes", max_scans);
  std::longjmp(decoder_of(state).out, 1);
}

/// Rows of inks to RGB in place; Adobe's programs write them inverted.
void inks_to_rgb(const std::uint8_t* inks, int width, bool inverted, std::uint8_t* rgb) {
  for (int x = 0; x < width; ++x, inks += 4, rgb += 3) {
    const int black = inverted ? inks[3] : 255 - inks[3];
    for (int c = 0; c < 3; ++c) {
      const int ink = inverted ? inks[c] : 255 - inks[c];
      rgb[c] = static_cast<std::uint8_t>(ink * black / 255);
    }
  }
}

/// The part that libjpeg may jump out of: nothing in it has a destructor.
bool decode(Decoder& decoder, const unsigned char* bytes, std::size_t size, int width, int height, std::uint8_t* rgb,
            std::uint8_t* inks) {
  jpeg_decompress_struct& state = decoder.state;
  if (setjmp(decoder.out) != 0) return false;  // NOLINT(cert-err52-cpp): a C library's way to report errors
  jpeg_create_decompress(&state);
  state.client_data = &decoder;
  state.progress = &decoder.progress;
  state.mem->max_memory_to_use = memory_budget_bytes;
  jpeg_mem_src(&state, bytes, static_cast<unsigned long>(size));
  jpeg_read_header(&state, TRUE);
  const bool has_inks = state.num_components == 4;
  state.out_color_space = has_inks ? JCS_CMYK : JCS_RGB;
  state.dct_method = JDCT_IFAST;
  state.do_fancy_upsampling = TRUE;
  if (static_cast<int>(state.image_width) != width || static_cast<int>(state.image_height) != height) {
    std::snprintf(decoder.message, JMSG_LENGTH_MAX, "two sizes");
    return false;
  }
  jpeg_start_decompress(&state);
  while (state.output_scanline < state.output_height) {
    std::uint8_t* row = rgb + std::size_t{state.output_scanline} * static_cast<std::size_t>(width) * 3;
    JSAMPROW line = has_inks ? inks : row;
    jpeg_read_scanlines(&state, &line, 1);
    if (has_inks) inks_to_rgb(inks, width, state.saw_Adobe_marker == TRUE, row);
  }
  jpeg_finish_decompress(&state);
  return true;
}

}  // namespace

ImageSize jpeg_size(Bytes b) {
  for (std::size_t at = next_marker(b, first_marker); at + 8 < b.size();) {
    if (is_frame(b[at + 1])) return {static_cast<int>(two_bytes(b, at + 7)), static_cast<int>(two_bytes(b, at + 5))};
    if (b[at + 1] == end_of_image || b[at + 1] == start_of_scan) break;
    at = next_marker(b, at + 2 + two_bytes(b, at + 2));
  }
  return {};
}

bool jpeg_is_complete(Bytes b) {
  for (std::size_t at = next_marker(b, first_marker); at + 1 < b.size();) {
    if (b[at + 1] == end_of_image) return true;
    if (at + 3 >= b.size()) return false;
    at = next_marker(b, at + 2 + two_bytes(b, at + 2));
  }
  return false;
}

std::string decode_jpeg(std::span<const std::uint8_t> bytes, Image& image) {
  Decoder decoder = {};
  decoder.state.err = jpeg_std_error(&decoder.errors);
  decoder.state.client_data = &decoder;
  decoder.errors.error_exit = stop;
  decoder.errors.emit_message = on_message;
  decoder.progress.progress_monitor = limit_scans;
  const auto width = static_cast<std::size_t>(image.width);
  image.rgb.resize(width * static_cast<std::size_t>(image.height) * 3);
  std::vector<std::uint8_t> inks(width * 4);
  const bool decoded =
      decode(decoder, bytes.data(), bytes.size(), image.width, image.height, image.rgb.data(), inks.data());
  jpeg_destroy_decompress(&decoder.state);
  return decoded ? std::string() : std::string(decoder.message);
}

}  // namespace thaw
