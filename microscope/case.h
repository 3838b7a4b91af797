#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "kernels/backend.h"
#include "kernels/conv_ways.h"

namespace thaw::microscope {

/// Numbers in host memory, stored as `dtype`.
class HostArray {
 public:
  HostArray() = default;
  HostArray(Dtype dtype, std::int64_t count)
      : dtype_(dtype), bytes_(static_cast<std::size_t>(count) * size_of(dtype)) {}

  [[nodiscard]] double at(std::int64_t i) const;
  /// Rounds to the array's type.
  void set(std::int64_t i, double value);
  [[nodiscard]] Dtype dtype() const { return dtype_; }
  [[nodiscard]] std::int64_t count() const { return static_cast<std::int64_t>(bytes_.size() / size_of(dtype_)); }
  [[nodiscard]] std::vector<std::byte>& bytes() { return bytes_; }
  [[nodiscard]] const std::vector<std::byte>& bytes() const { return bytes_; }

 private:
  Dtype dtype_ = Dtype::f32;
  std::vector<std::byte> bytes_;
};

/// Numbers are drawn uniformly from [low, high).
struct Range {
  double low = -1;
  double high = 1;
};

/// One array that a call reads or writes: (outer, extent, inner) elements. The middle axis is the case's: a check may
/// take some of its positions only. An operand that every position needs whole has `cut` false.
struct Operand {
  enum class Use { input, output, inout };

  std::string name;
  Use use = Use::input;
  Dtype dtype = Dtype::f32;  ///< how the device stores it
  /// Numbers fit into this type: drawn filters into bf16, where a backend may narrow them; results that come rounded.
  Dtype precision = Dtype::f32;
  std::int64_t outer = 1, extent = 1, inner = 1;
  bool cut = false;
  Range range = {};

  [[nodiscard]] std::int64_t count() const { return outer * extent * inner; }
};

/// What one call works on. The oracle gets the same problem with fewer positions on the case's axis, in f64.
struct Arguments {
  Backend& backend;
  Dtype dtype;            ///< of activations
  std::int64_t extent;    ///< of the case's axis
  std::vector<void*> at;  ///< the operands, in the case's order
};

/// How far results must agree with the oracle.
enum class Exactness {
  never,     ///< within the tolerance of the dtype
  rounded,   ///< linear, but a backend may compute it after Winograd: integers within the tolerance, reals too
  integers,  ///< linear: exactly on integers, within the tolerance on reals
  always,    ///< nothing is rounded: exactly on any numbers
};

/// A call of a backend on one problem, described so that it can be checked and timed.
struct Case {
  std::string family;     ///< "conv"
  std::string problem;    ///< its text, which makes it again
  std::string direction;  ///< "fwd"
  Dtype dtype = Dtype::f32;
  double flops = 0;  ///< multiplications and additions; 0 where memory alone counts
  double bytes = 0;  ///< least traffic: every operand once, and again where no order of work can avoid it
  std::vector<Operand> operands = {};
  std::string axis = "elements";  ///< what the middle axis counts
  std::int64_t extent = 1;
  double work = 0;   ///< for the oracle, in operations
  double depth = 1;  ///< how many terms are added up for one result
  Exactness exactness = Exactness::never;
  /// Mends drawn inputs where random ones would be no valid or no fair question (indices; numbers beside a kink).
  std::function<void(std::vector<HostArray>&)> mend = {};
  /// Prepares what does not belong to the call (packed filters) and returns the call.
  std::function<BoundCall(const Arguments&)> bind = {};
};

/// The bytes of a case's operands, each once; what is read and written twice.
double bytes_once(const std::vector<Operand>& operands);

}  // namespace thaw::microscope
