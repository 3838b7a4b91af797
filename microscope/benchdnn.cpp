#include "microscope/benchdnn.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <map>
#include <utility>

#include "kernels/error.h"
#include "kernels/printable.h"
#include "microscope/text_reader.h"

namespace thaw::microscope {

namespace {

constexpr std::string_view kExample = "mb32ic64ih56oc64oh56kh3ph1";

/// One axis of the picture: input, output and filter extent, stride, padding before, dilation.
struct Axis {
  int in = 0, out = 0, kernel = 0, stride = 1, pad = -1, dilation = 0;
  bool given = false;

  /// Padding behind the picture, which the output decides.
  [[nodiscard]] int pad_behind() const { return (out - 1) * stride + kernel - in - pad; }
};

struct Fields {
  int groups = 1, batch = 2, in_channels = 0, out_channels = 0;
  Axis depth, height, width;
};

[[noreturn]] void refuse(std::string_view text, std::string_view why) {
  fail(ErrorKind::usage, "'{}' cannot be read as one of benchdnn's convolutions: {}; write it like {}",
       printable(text, 200), why, kExample);
}

/// The field that a two-letter name such as `ih` means, or null.
int* field_of(Fields& fields, std::string_view name) {
  if (name == "mb") return &fields.batch;
  if (name == "ic") return &fields.in_channels;
  if (name == "oc") return &fields.out_channels;
  Axis* axis = name[1] == 'd'   ? &fields.depth
               : name[1] == 'h' ? &fields.height
               : name[1] == 'w' ? &fields.width
                                : nullptr;
  if (axis == nullptr) return nullptr;
  const std::map<char, int*> kinds = {{'i', &axis->in},     {'o', &axis->out}, {'k', &axis->kernel},
                                      {'s', &axis->stride}, {'p', &axis->pad}, {'d', &axis->dilation}};
  const auto found = kinds.find(name[0]);
  if (found == kinds.end()) return nullptr;
  axis->given = true;
  return found->second;
}

/// Fills in output and padding of an axis by benchdnn's rules.
void complete(Axis& axis, std::string_view text, std::string_view letter) {
  if (axis.in < 1 || axis.kernel < 1) {
    refuse(text, fmt::format("i{0} and k{0} are needed where another size of that axis is given", letter));
  }
  if (axis.stride < 1) refuse(text, fmt::format("s{} must be at least 1", letter));
  if (axis.out == 0) {
    axis.pad = std::max(axis.pad, 0);
    axis.out = (axis.in + 2 * axis.pad - axis.kernel) / axis.stride + 1;
    if (axis.in + 2 * axis.pad < axis.kernel) refuse(text, "the filter is larger than the padded input");
  } else if (axis.pad < 0) {
    axis.pad = std::max(((axis.out - 1) * axis.stride - axis.in + axis.kernel) / 2, 0);
  }
}

/// What thaw has: no depth, no dilation, one stride.
void require_plain(const Fields& fields, std::string_view text) {
  const Axis& d = fields.depth;
  if (d.given && (d.in > 1 || d.out > 1 || d.kernel > 1 || d.stride > 1 || d.pad > 0)) {
    refuse(text, "thaw's convolutions have no depth axis");
  }
  if (fields.height.dilation > 0 || fields.width.dilation > 0) refuse(text, "thaw's convolutions have no dilation");
  if (fields.height.stride != fields.width.stride) refuse(text, "thaw's convolutions have one stride for both axes");
}

Fields read_fields(std::string_view text, std::string& name) {
  Fields fields;
  TextReader in(text, "benchdnn convolution", kExample);
  while (!in.done()) {
    if (in.take("_")) continue;
    if (in.take("n")) {
      name = std::string(in.rest());
      std::erase(name, '"');
      return fields;
    }
    if (in.take("g")) {
      fields.groups = static_cast<int>(std::min<std::int64_t>(in.number(), 1 << 24));
      continue;
    }
    int* value = in.rest().size() < 2 ? nullptr : field_of(fields, in.rest().substr(0, 2));
    if (value == nullptr) in.reject();
    *value = in.field(in.rest().substr(0, 2), 0);
  }
  return fields;
}

}  // namespace

bool looks_like_benchdnn(std::string_view text) {
  constexpr std::array starts = {"g", "mb", "ic", "id", "ih", "iw", "oc", "od", "oh", "ow", "kd", "kh", "kw", "_"};
  return std::any_of(starts.begin(), starts.end(), [text](const char* start) { return text.starts_with(start); });
}

BenchdnnProblem parse_benchdnn(std::string_view text) {
  BenchdnnProblem out;
  Fields fields = read_fields(text, out.name);
  if (fields.in_channels < 1 || fields.out_channels < 1) refuse(text, "ic and oc are needed");
  if (fields.batch < 1) refuse(text, "mb must be at least 1");
  // An axis that is left out is like the one before it; a picture of which the width alone is given is one row.
  const bool row = fields.width.given && !fields.height.given;
  if (row) fields.height = Axis{.in = 1, .out = 1, .kernel = 1, .stride = fields.width.stride, .pad = 0, .given = true};
  if (!fields.height.given) refuse(text, "ih and kh are needed");
  complete(fields.height, text, "h");
  if (!fields.width.given) fields.width = fields.height;
  complete(fields.width, text, "w");
  require_plain(fields, text);
  const Axis& h = fields.height;
  const Axis& w = fields.width;
  const int below = h.pad_behind();
  const int right = w.pad_behind();
  // The far side may also be cut off: then the last pixels are never read, and no padding is there.
  out.problem = {.n = fields.batch,
                 .c = fields.in_channels,
                 .h = h.in,
                 .w = w.in,
                 .k = fields.out_channels,
                 .r = h.kernel,
                 .s = w.kernel,
                 .stride = h.stride,
                 .pad = {h.pad, std::max(below, 0), w.pad, std::max(right, 0)},
                 .groups = fields.groups};
  out.problem.check();
  if (out.problem.p() != h.out || out.problem.q() != w.out) {
    refuse(text,
           fmt::format("its output would be {}x{} pixels, not {}x{}", out.problem.p(), out.problem.q(), h.out, w.out));
  }
  // The usual symmetric padding, where the far side may have less because the stride does not reach it.
  ConvProblem symmetric = out.problem;
  symmetric.pad = {h.pad, h.pad, w.pad, w.pad};
  if (symmetric.p() == h.out && symmetric.q() == w.out && below <= h.pad && right <= w.pad) out.problem = symmetric;
  return out;
}

}  // namespace thaw::microscope
