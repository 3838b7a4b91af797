#include "microscope/text_reader.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "kernels/error.h"
#include "kernels/printable.h"

namespace thaw::microscope {

namespace {

constexpr std::int64_t kMostElements = std::int64_t{1} << 36;
constexpr int kMostExtent = 1 << 24;

}  // namespace

bool TextReader::take(std::string_view word) {
  if (!rest_.starts_with(word)) return false;
  rest_.remove_prefix(word.size());
  return true;
}

void TextReader::want(std::string_view word) {
  if (!take(word)) reject();
}

std::int64_t TextReader::number(std::int64_t least) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), value);
  if (error != std::errc() || value < least || value > kMostElements) reject();
  rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
  return value;
}

int TextReader::field(std::string_view letter, int least) {
  want(letter);
  const std::string_view before = rest_;
  const std::int64_t value = number(least);
  if (value > kMostExtent) {
    rest_ = before;
    reject();
  }
  return static_cast<int>(value);
}

int TextReader::field_or(std::string_view letter, int standard, int least) {
  return rest_.starts_with(letter) ? field(letter, least) : standard;
}

bool TextReader::take_pad(Pad& pad) {
  if (!rest_.starts_with("p")) return false;
  pad = pad_all(field("p", 0));
  if (!rest_.starts_with(".")) return true;
  pad.bottom = field(".", 0);
  pad.left = field(".", 0);
  pad.right = field(".", 0);
  return true;
}

bool TextReader::take_act(Act& act) {
  // Longest names first, so that relu6 is not read as relu.
  constexpr std::array all = {Act::hard_sigmoid, Act::hard_swish, Act::linear, Act::relu6, Act::relu};
  const auto* found = std::find_if(all.begin(), all.end(), [this](Act a) { return take(name_of(a)); });
  if (found == all.end()) return false;
  act = *found;
  return true;
}

bool TextReader::take_dtype(Dtype& dtype) {
  constexpr std::array all = {Dtype::f32, Dtype::bf16, Dtype::f64, Dtype::u8};
  const auto* found = std::find_if(all.begin(), all.end(), [this](Dtype d) { return take(name_of(d)); });
  if (found == all.end()) return false;
  dtype = *found;
  return true;
}

bool TextReader::take_suffix(Dtype& dtype) {
  if (!take(":")) return false;
  if (!take_dtype(dtype)) reject();
  return true;
}

void TextReader::finish() const {
  if (!done()) reject();
}

void TextReader::reject() const {
  fail(ErrorKind::usage, "'{}' is no {} problem: stopped at '{}'; write it like {}", printable(all_, 200), what_,
       printable(rest_), example_);
}

std::string pad_text(const Pad& pad) {
  if (!pad.any()) return "";
  if (pad == pad_all(pad.top)) return fmt::format("p{}", pad.top);
  return fmt::format("p{}.{}.{}.{}", pad.top, pad.bottom, pad.left, pad.right);
}

}  // namespace thaw::microscope
