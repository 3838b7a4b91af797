#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/problem.h"

namespace thaw {

class Backend;

/// What a call of a convolution computes: y, dx or dw.
enum class ConvDirection : std::uint8_t { forward, data, filter };
std::string_view name_of(ConvDirection direction);  ///< "forward", "data", "filter"

/// One direction of one problem.
struct ConvTask {
  ConvProblem problem;
  ConvDirection direction = ConvDirection::forward;
  bool packed = false;  ///< forward with the filter prepared beforehand, as frozen layers have it
};

/// Device pointers of a convolution in any direction; those that the direction does not want are null.
struct ConvOperands {
  const void* x = nullptr;         ///< (N,H,W,C): forward, filter
  const void* w = nullptr;         ///< (K,R,S,C/groups): forward, data
  const void* dy = nullptr;        ///< (N,P,Q,K): data, filter
  const void* bias = nullptr;      ///< (K): forward, where the problem has one
  const void* residual = nullptr;  ///< (N,P,Q,K): as the bias
  void* out = nullptr;             ///< y, dx or dw
};

/// One of the ways in which a backend can compute a task.
struct ConvWay {
  std::string name;     ///< "own", or a library's name of its engine: unique among the ways of a task
  bool own = false;     ///< thaw's kernels; else a library's engine
  bool chosen = false;  ///< what the backend's own call of this task takes
  /// Memory beside the operands; not known where a kernel takes what it needs when it runs.
  std::optional<std::size_t> workspace_bytes = {};
  std::vector<std::string> notes = {};  ///< "tensor cores", "nondeterministic", "then an epilogue", ...
  /// Sums are taken in a transformed form (Winograd, FFT), so that whole numbers come out close and not exact.
  bool transformed = false;
  Dtype result = Dtype::f32;  ///< the type that results are rounded to, whatever they are stored as
};

/// Work that can be started as often as wanted, on operands that it was bound to.
struct BoundCall {
  // A plain function is a call with nothing behind it.
  BoundCall(std::function<void()> work, std::function<void()> behind = {})  // NOLINT(google-explicit-constructor)
      : run(std::move(work)), finish(std::move(behind)) {}

  std::function<void()> run;
  /// Takes results to where they belong when a way leaves them in another form: no part of the work. May be empty.
  std::function<void()> finish;

  void operator()() const {
    run();
    if (finish) finish();
  }
};

/// A backend that has more than one way to compute a convolution, and can run each: what `thaw bench --all-plans` lists
/// and compares.
class ConvWays {
 public:
  virtual ~ConvWays() = default;
  /// Every way, own kernels first, then a library's in the order in which it recommends them.
  virtual std::vector<ConvWay> ways(const ConvTask& task) = 0;
  /// One of them on operands in the form of `Backend`'s calls, bias gradient left out. What a way wants in another form
  /// (a depthwise filter as (K,R,S,1), a filter in bf16) is converted here. Throws `Error` (device).
  virtual BoundCall bind(const ConvTask& task, const ConvWay& way, const ConvOperands& operands) = 0;
  /// `ConvWay::result` of what the backend's own call takes.
  virtual Dtype result_of(const ConvTask& task) = 0;
};

/// What a backend is, beside a `Backend`, that has ways.
class HasConvWays {
 public:
  virtual ~HasConvWays() = default;
  virtual ConvWays& conv_ways() = 0;
};

/// The ways of a backend, or null where it has but one.
ConvWays* conv_ways_of(Backend& backend);

/// The type of a task's result as it is stored: that of the activations, of a filter gradient its master's.
Dtype stored_result(const ConvTask& task);

/// Throws `Error` (device): there is no such way of the task.
[[noreturn]] void fail_way(const ConvTask& task, std::string_view way);

/// (rows, columns) -> (columns, rows). A depthwise filter (R,S,C) is R S rows of C; libraries take it as (C,R,S).
std::vector<float> transposed(std::span<const float> matrix, std::int64_t rows, std::int64_t columns);

}  // namespace thaw
