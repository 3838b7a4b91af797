#include "kernels/problem.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "kernels/error.h"

namespace thaw {

namespace {

constexpr std::array kActs = {Act::linear, Act::relu, Act::relu6, Act::hard_swish, Act::hard_sigmoid};
constexpr int kMostExtent = 1 << 28;
constexpr double kMostElements = 1LL << 40;
constexpr std::array kDtypes = {Dtype::f32, Dtype::bf16, Dtype::f64};

std::string pad_text(const Pad& pad) {
  if (!pad.any()) return "";
  if (pad == pad_all(pad.top)) return fmt::format("p{}", pad.top);
  return fmt::format("p{}.{}.{}.{}", pad.top, pad.bottom, pad.left, pad.right);
}

/// Reads the problem text from left to right.
class Reader {
 public:
  explicit Reader(std::string_view text) : all_(text), rest_(text) {}

  bool take(std::string_view word) {
    if (!rest_.starts_with(word)) return false;
    rest_.remove_prefix(word.size());
    return true;
  }
  int number() {
    int value = 0;
    const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), value);
    if (error != std::errc() || value < 0) reject();
    rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
    return value;
  }
  void field(std::string_view letter, int& value) {
    if (!take(letter)) reject();
    value = number();
  }
  void optional(std::string_view letter, int& value) {
    if (take(letter)) value = number();
  }
  [[nodiscard]] bool done() const { return rest_.empty(); }
  [[noreturn]] void reject() const {
    fail(ErrorKind::usage,
         "'{}' is no convolution problem: stopped at '{}'; write it like n32c64h56w56_k128r3s3u2p1:bf16", all_, rest_);
  }

 private:
  std::string_view all_;
  std::string_view rest_;
};

void parse_pad(Reader& in, Pad& pad) {
  if (!in.take("p")) return;
  pad = pad_all(in.number());
  if (!in.take(".")) return;
  pad.bottom = in.number();
  in.field(".", pad.left);
  in.field(".", pad.right);
}

}  // namespace

std::string_view name_of(Act act) {
  switch (act) {
    case Act::linear: return "linear";
    case Act::relu: return "relu";
    case Act::relu6: return "relu6";
    case Act::hard_swish: return "hard_swish";
    case Act::hard_sigmoid: return "hard_sigmoid";
  }
  return "?";
}

Pad pad_same(int height, int width, int kernel_h, int kernel_w, int stride) {
  const auto total = [stride](int n, int k) { return std::max(((n + stride - 1) / stride - 1) * stride + k - n, 0); };
  const int vertical = total(height, kernel_h);
  const int horizontal = total(width, kernel_w);
  return {vertical / 2, vertical - vertical / 2, horizontal / 2, horizontal - horizontal / 2};
}

double ConvProblem::flops() const {
  return 2.0 * static_cast<double>(output_size()) * r * s * (static_cast<double>(c) / groups);
}

double ConvProblem::bytes() const {
  const auto elements = static_cast<double>(input_size() + output_size() * (residual ? 2 : 1));
  return elements * static_cast<double>(size_of(dtype)) +
         static_cast<double>(filter_size()) * static_cast<double>(size_of(master_dtype(dtype)));
}

std::string ConvProblem::text() const {
  std::string out = fmt::format("n{}c{}h{}w{}_k{}r{}s{}", n, c, h, w, k, r, s);
  if (groups > 1) out += fmt::format("g{}", groups);
  if (stride > 1) out += fmt::format("u{}", stride);
  out += pad_text(pad);
  if (bias) out += "+bias";
  if (residual) out += "+residual";
  if (act != Act::linear) out += fmt::format("+{}", name_of(act));
  return out + fmt::format(":{}", name_of(dtype));
}

ConvProblem ConvProblem::parse(std::string_view text) {
  Reader in(text);
  ConvProblem problem;
  in.field("n", problem.n);
  in.field("c", problem.c);
  in.field("h", problem.h);
  in.field("w", problem.w);
  in.field("_k", problem.k);
  in.field("r", problem.r);
  in.field("s", problem.s);
  in.optional("g", problem.groups);
  in.optional("u", problem.stride);
  parse_pad(in, problem.pad);
  problem.bias = in.take("+bias");
  problem.residual = in.take("+residual");
  if (in.take("+")) {
    // Longest names first, so that relu6 is not read as relu.
    const auto act = std::find_if(kActs.rbegin(), kActs.rend(), [&in](Act a) { return in.take(name_of(a)); });
    if (act == kActs.rend()) in.reject();
    problem.act = *act;
  }
  if (in.take(":")) {
    const auto* dtype = std::find_if(kDtypes.begin(), kDtypes.end(), [&in](Dtype d) { return in.take(name_of(d)); });
    if (dtype == kDtypes.end()) in.reject();
    problem.dtype = *dtype;
  }
  if (!in.done()) in.reject();
  problem.check();
  return problem;
}

void ConvProblem::check() const {
  const bool sizes = n > 0 && c > 0 && h > 0 && w > 0 && k > 0 && r > 0 && s > 0 && stride > 0 && groups > 0;
  if (!sizes) fail(ErrorKind::usage, "[conv] {}: every size must be at least 1", text());
  // The sum of three extents stays an int; products of more than two are compared below as doubles.
  if (std::max({n, c, h, w, k, r, s, pad.top, pad.bottom, pad.left, pad.right}) > kMostExtent) {
    fail(ErrorKind::usage, "[conv] {}: no size or padding may be above {}", text(), kMostExtent);
  }
  if (c % groups != 0 || k % groups != 0) {
    fail(ErrorKind::usage, "[conv] {}: input and output channels must be divisible by the groups", text());
  }
  if (h + pad.top + pad.bottom < r || w + pad.left + pad.right < s) {
    fail(ErrorKind::usage, "[conv] {}: the filter is larger than the padded input", text());
  }
  const auto product = [](double a, double b, double x, double y) { return a * b * x * y; };
  const int inner = c / groups;
  if (std::max({product(n, h, w, c), product(n, p(), q(), k), product(k, r, s, inner)}) > kMostElements) {
    fail(ErrorKind::usage, "[conv] {}: input, output and filter may have at most {:.0f} elements each", text(),
         kMostElements);
  }
}

void ConvProblem::check_packed(const ConvProblem& packed) const {
  const bool serves = packed.c == c && packed.k == k && packed.r == r && packed.s == s && packed.groups == groups &&
                      packed.bias == bias && packed.dtype == dtype;
  if (!serves) {
    fail(ErrorKind::usage, "[conv_forward_packed] {} cannot use the filter that was packed for {}; pack it again",
         text(), packed.text());
  }
}

void NormProblem::check_gradient() const {
  if (has_gradient()) return;
  fail(ErrorKind::usage,
       "[norm_backward] {}: a norm with residual has a gradient for relu, relu6 or no activation only", text());
}

std::string NormProblem::text() const {
  return fmt::format("norm_rows{}c{}{}{}{}:{}", rows, c, training ? "+training" : "", residual ? "+residual" : "",
                     act == Act::linear ? "" : fmt::format("+{}", name_of(act)), name_of(dtype));
}

std::string PoolProblem::text() const {
  return fmt::format("{}pool_n{}c{}h{}w{}_r{}s{}u{}{}{}:{}", kind == PoolKind::max ? "max" : "avg", n, c, h, w, r, s,
                     stride, pad_text(pad), count_padding ? "+count_padding" : "", name_of(dtype));
}

void PoolProblem::check() const {
  if (n < 1 || c < 1 || r < 1 || s < 1 || stride < 1 || h + pad.top + pad.bottom < r || w + pad.left + pad.right < s) {
    fail(ErrorKind::usage, "[pool] {}: the window must be at least 1 pixel and fit into the padded input", text());
  }
}

void PoolProblem::check_gradient(const std::int32_t* indices) const {
  check();
  if (kind == PoolKind::max && indices == nullptr) {
    fail(ErrorKind::usage, "[pool_backward] {}: a maximum needs the indices of its forward call", text());
  }
}

ConvProblem DenseProblem::as_conv() const { return {.n = n, .c = c, .k = k, .bias = bias, .act = act, .dtype = dtype}; }

std::string DenseProblem::text() const {
  return fmt::format("dense_n{}c{}k{}{}{}:{}", n, c, k, bias ? "+bias" : "",
                     act == Act::linear ? "" : fmt::format("+{}", name_of(act)), name_of(dtype));
}

std::string ScaleProblem::text() const { return fmt::format("scale_n{}hw{}c{}:{}", n, hw, c, name_of(dtype)); }

PoolProblem SqueezeExciteProblem::pool() const {
  return {.kind = PoolKind::average, .n = n, .c = c, .h = h, .w = w, .r = h, .s = w, .stride = 1, .dtype = dtype};
}

ConvProblem SqueezeExciteProblem::reduce() const { return {.n = n, .c = c, .k = k, .bias = true, .dtype = dtype}; }

ConvProblem SqueezeExciteProblem::expand() const { return {.n = n, .c = k, .k = c, .bias = true, .dtype = dtype}; }

ScaleProblem SqueezeExciteProblem::scale() const { return {.n = n, .hw = h * w, .c = c, .dtype = dtype}; }

double SqueezeExciteProblem::bytes() const {
  const double filters = 2.0 * static_cast<double>(reduce().filter_size()) + k + c;
  return 3.0 * static_cast<double>(size()) * static_cast<double>(size_of(dtype)) +
         filters * static_cast<double>(size_of(master_dtype(dtype)));
}

std::string SqueezeExciteProblem::text() const {
  return fmt::format("squeeze_excite_n{}c{}h{}w{}k{}:{}", n, c, h, w, k, name_of(dtype));
}

}  // namespace thaw
