#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "kernels/problem.h"

namespace thaw::microscope {

/// Reads a problem's text from left to right; what it does not understand is a usage error that shows where it stopped
/// and an example.
class TextReader {
 public:
  TextReader(std::string_view text, std::string_view what, std::string_view example)
      : all_(text), rest_(text), what_(what), example_(example) {}

  bool take(std::string_view word);
  void want(std::string_view word);
  /// At least `least`, and small enough for every product that problems make.
  std::int64_t number(std::int64_t least = 1);
  /// A number that is an int, behind `letter`.
  int field(std::string_view letter, int least = 1);
  int field_or(std::string_view letter, int standard, int least = 1);
  /// `p1` or `p0.1.0.1` (top, bottom, left, right), where there is one.
  bool take_pad(Pad& pad);
  /// The activation that is named here; false where none is.
  bool take_act(Act& act);
  /// A type out of `f32`, `bf16`, `f64` and `u8`; false where none is.
  bool take_dtype(Dtype& dtype);
  /// `:TYPE` where there is one.
  bool take_suffix(Dtype& dtype);
  void finish() const;
  [[nodiscard]] bool done() const { return rest_.empty(); }
  [[nodiscard]] std::string_view rest() const { return rest_; }
  [[noreturn]] void reject() const;

 private:
  std::string_view all_, rest_, what_, example_;
};

/// `pad_text` of problem texts: "p1", "p0.1.0.1" or nothing.
std::string pad_text(const Pad& pad);

}  // namespace thaw::microscope
