#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/backend.h"

namespace thaw::tests {

/// What a case's buffers are filled with. Small integers make every product and sum of a linear op exact, so that
/// backends can be compared bit by bit.
enum class Fill { reals, integers };

/// How a buffer is stored and which precision its numbers have before they are stored.
enum class Role {
  activation,  ///< the problem's dtype
  weight,      ///< master storage, numbers that the problem's dtype holds exactly (backends may narrow filters)
  master,      ///< master storage and precision
};

/// Numbers of a `Fill::reals` buffer: uniform in [low, high).
struct Range {
  double low = -1;
  double high = 1;
};

/// One result of a run, read back from the device.
struct OpResult {
  std::string name;
  Dtype dtype = Dtype::f32;
  std::vector<double> values;
  std::vector<std::byte> bytes;
};

/// One run of an op case on one backend: owns the device buffers, draws inputs by (case, buffer, element) alone, so
/// that every backend sees the same numbers, and lays 64 NaN bytes before and behind each buffer.
class OpRun {
 public:
  /// `tested` is the dtype under test; activations are stored as `stored`: the same, or f64 for the oracle's run.
  OpRun(Backend& backend, std::string_view case_name, Dtype tested, Dtype stored, Fill fill);
  ~OpRun();
  OpRun(const OpRun&) = delete;
  OpRun& operator=(const OpRun&) = delete;

  [[nodiscard]] Backend& backend() const { return backend_; }
  [[nodiscard]] Dtype dtype() const { return stored_; }
  [[nodiscard]] Dtype tested() const { return tested_; }
  [[nodiscard]] Dtype master() const { return master_dtype(stored_); }

  const void* input(Role role, std::string_view name, std::int64_t count, Range range = {});
  /// Full of NaN before the call that writes it.
  void* output(Role role, std::string_view name, std::int64_t count);
  /// Drawn like an input, read back like an output.
  void* inout(Role role, std::string_view name, std::int64_t count, Range range = {});

  /// Buffers of a given type and, for inputs, given numbers, whatever the dtype under test.
  const void* given(std::string_view name, Dtype dtype, const std::vector<double>& values);
  void* typed_output(std::string_view name, Dtype dtype, std::int64_t count);
  /// Numbers as `input` draws them, for `given`.
  [[nodiscard]] std::vector<double> draw(std::string_view name, std::int64_t count, Range range, Dtype precision) const;
  /// Adds a result that is not a buffer.
  void record(std::string_view name, Dtype dtype, const std::vector<double>& values);

  /// Waits, reads every output back and checks bands and inputs.
  std::vector<OpResult> results();
  /// What `results` found: a changed input or bytes written outside a buffer. Empty: nothing.
  [[nodiscard]] const std::vector<std::string>& violations() const { return violations_; }

 private:
  enum class Kind { input, output, inout };
  struct Buffer {
    std::string name;
    Dtype dtype;
    Kind kind;
    std::byte* block;
    std::vector<std::byte> image;  // as uploaded, with both bands
  };

  void* add(std::string_view name, Dtype dtype, Kind kind, const std::vector<std::byte>& contents);
  [[nodiscard]] Dtype storage(Role role) const;
  [[nodiscard]] Dtype precision(Role role) const;
  void check_bands(const Buffer& buffer, const std::vector<std::byte>& now);

  Backend& backend_;
  std::string case_name_;
  Dtype tested_;
  Dtype stored_;
  Fill fill_;
  std::vector<Buffer> buffers_;
  std::vector<OpResult> recorded_;
  std::vector<std::string> violations_;
};

/// Doubles as the bytes of an array of `dtype`, rounded to it, and back.
std::vector<std::byte> encode(Dtype dtype, const std::vector<double>& values);
std::vector<double> decode(Dtype dtype, const std::vector<std::byte>& bytes);

}  // namespace thaw::tests
