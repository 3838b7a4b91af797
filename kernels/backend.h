#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/problem.h"
#include "kernels/resize.h"

namespace thaw {

/// A convolution's filter and bias in the form that a backend's forward kernel likes best, made once and used until the
/// weights change (frozen layers). Opaque; valid for any batch size of the problem that it was packed for.
class PackedConv {
 public:
  virtual ~PackedConv() = default;
};

// Arguments of backend calls. Pointers are device pointers of the backend; `activations` have the problem's dtype,
// "master" operands its master_dtype. A null output is not wanted and not computed. Outputs are overwritten, never
// accumulated into, and may not alias inputs unless the call says so.

struct ConvForward {
  const void* x = nullptr;         ///< (N,H,W,C) activations
  const void* w = nullptr;         ///< (K,R,S,C/groups), depthwise (R,S,C), master
  const void* bias = nullptr;      ///< (K) master, where problem.bias
  const void* residual = nullptr;  ///< (N,P,Q,K) activations, where problem.residual
  void* y = nullptr;               ///< (N,P,Q,K) activations
};

struct NormForward {
  const void* x = nullptr;         ///< (rows,C) activations
  const void* gamma = nullptr;     ///< (C) master
  const void* beta = nullptr;      ///< (C) master
  const void* residual = nullptr;  ///< (rows,C) activations, where problem.residual
  void* mean = nullptr;            ///< (C) master; training: batch mean, written; else running mean, read
  void* variance = nullptr;      ///< (C) master; training: biased batch variance, written; else running variance, read
  void* running_mean = nullptr;  ///< (C) master, training only: moved by (1-momentum) towards the batch
  void* running_variance = nullptr;  ///< (C) master, training only; the biased variance enters, as in Keras 3
  double momentum = 0.99;
  void* y = nullptr;  ///< (rows,C) activations
};

struct NormBackward {
  /// May be null where nothing that is wanted depends on it: running statistics, no dgamma, and an activation that is
  /// linear or whose derivative is read off y.
  const void* x = nullptr;
  const void* y = nullptr;  ///< needed where `problem.gradient_from_y()`
  const void* dy = nullptr;
  const void* gamma = nullptr;
  const void* beta = nullptr;
  const void* mean = nullptr;  ///< the statistics that the forward call used
  const void* variance = nullptr;
  void* dx = nullptr;
  void* dgamma = nullptr;     ///< (C) master
  void* dbeta = nullptr;      ///< (C) master
  void* dresidual = nullptr;  ///< (rows,C) activations

  /// With dy in the place of an x that does not matter, so that kernels may read it all the same.
  [[nodiscard]] NormBackward readable() const {
    NormBackward args = *this;
    if (args.x == nullptr) args.x = args.dy;
    return args;
  }
};

/// What lies between is written where it is wanted, in the activations' type, so that it is what the separate calls
/// would have written: an activation is one of the rounded number before it.
struct SqueezeExciteForward {
  const void* x = nullptr;            ///< (N,H,W,C) activations
  const void* reduce = nullptr;       ///< (K,C) master
  const void* reduce_bias = nullptr;  ///< (K) master
  const void* expand = nullptr;       ///< (C,K) master
  const void* expand_bias = nullptr;  ///< (C) master
  void* pooled = nullptr;             ///< (N,C) activations
  void* reduced = nullptr;            ///< (N,K), before its ReLU
  void* squeezed = nullptr;           ///< (N,K), behind it
  void* expanded = nullptr;           ///< (N,C), before its hard sigmoid
  void* gate = nullptr;               ///< (N,C), behind it
  void* y = nullptr;                  ///< (N,H,W,C), always wanted
};

/// What `softmax_cross_entropy` adds up, in device memory.
struct LossSums {
  double loss = 0;           ///< sum over images of -log p(label), natural logarithm
  std::int64_t correct = 0;  ///< images whose first largest logit is the label
  std::int64_t images = 0;
  std::int64_t not_finite = 0;  ///< images whose loss is NaN or infinite
};

/// One parameter of an optimizer step, all master-typed: w (and state) updated from g.
struct UpdateSlot {
  void* w = nullptr;
  const void* g = nullptr;
  void* state1 = nullptr;  ///< Adam m, SGD velocity
  void* state2 = nullptr;  ///< Adam v
  std::int64_t count = 0;
};

struct AdamStep {
  double lr = 1e-3, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-7;
  std::int64_t step = 1;  ///< t, counted from 1

  /// lr sqrt(1-beta2^t)/(1-beta1^t).
  [[nodiscard]] double step_size() const;
};

struct SgdStep {
  double lr = 1e-2, momentum = 0.0;
  bool nesterov = false;
};

/// Calls that were recorded once and can be run again on the same pointers (a CUDA graph).
class Recording {
 public:
  virtual ~Recording() = default;
};

/// Counters that tests and reports read. A warmed step changes neither `reserved_bytes` nor `primitives_made`.
struct BackendStats {
  std::size_t used_bytes = 0;      ///< handed out now
  std::size_t peak_bytes = 0;      ///< most ever handed out at once
  std::size_t reserved_bytes = 0;  ///< taken from the system, kept until the backend goes
  std::int64_t primitives_made = 0;
};

/// What a device is, for `thaw devices`.
struct DeviceInfo {
  std::string backend;  ///< "cpu", "reference", "cuda"
  std::string name;     ///< of the processor or GPU
  std::string detail;   ///< instruction sets, driver, why it cannot be used
  int threads = 1;
  std::size_t memory_bytes = 0;
  bool usable = true;
  Dtype best_dtype = Dtype::f32;  ///< what `--dtype auto` means there
};

/// Times work on a device; made by `Backend::stopwatch`, for one measurement at a time.
class Stopwatch {
 public:
  virtual ~Stopwatch() = default;
  /// What the backend is asked to do from now on is timed.
  virtual void start() = 0;
  /// Waits until that is done and returns the seconds that it took.
  virtual double stop() = 0;
};

/// Computes problems on one device. Calls may return before the work is done (GPU streams); `download` and
/// `synchronize` wait. A backend overrides what it offers: a call that it does not offer throws `Error` (device) naming
/// the call and the problem, and `supports` says so beforehand. There is no silent fallback.
class Backend {
 public:
  Backend() = default;
  virtual ~Backend() = default;
  Backend(const Backend&) = delete;
  Backend& operator=(const Backend&) = delete;

  [[nodiscard]] virtual std::string_view name() const = 0;
  [[nodiscard]] virtual DeviceInfo info() const = 0;
  /// Whether activations can have this type.
  [[nodiscard]] virtual bool supports(Dtype dtype) const = 0;
  [[nodiscard]] virtual bool supports(const ConvProblem& problem) const { return supports(problem.dtype); }
  /// Whether `squeeze_excite_forward` is work of its own here, rather than the calls that it stands for.
  [[nodiscard]] virtual bool fuses(const SqueezeExciteProblem& problem) const {
    (void)problem;
    return false;
  }
  [[nodiscard]] virtual BackendStats stats() const = 0;

  // Memory. Blocks are aligned to 64 bytes at least; contents start undefined.
  virtual void* allocate(std::size_t bytes) = 0;
  virtual void release(void* block) noexcept = 0;
  virtual void upload(void* device, const void* host, std::size_t bytes) = 0;
  virtual void download(void* host, const void* device, std::size_t bytes) = 0;
  virtual void copy(void* to, const void* from, std::size_t bytes) = 0;
  virtual void zero(void* device, std::size_t bytes) = 0;
  virtual void synchronize() {}
  /// Waits for the device on both sides of the work and reads the host's steady clock, unless the device has a clock of
  /// its own. The backend must outlive it.
  virtual std::unique_ptr<Stopwatch> stopwatch();
  /// Bytes on this device that the host may read and write directly, or null where there are none (GPU).
  virtual void* host_view(void* device) {
    (void)device;
    return nullptr;
  }

  // Recorded work: what starts a training step's hundreds of kernels in one call.
  [[nodiscard]] virtual bool can_record() const { return false; }
  /// Notes the calls that `work` makes on this backend instead of running them. It may neither upload nor download nor
  /// wait, and should have run once before, so that nothing is prepared in it. Memory that it allocates and releases is
  /// used again by each replay.
  virtual std::unique_ptr<Recording> record(const std::function<void()>& work);
  virtual void replay(const Recording& recording);
  /// The step size with which recorded optimizer calls run from now on: `AdamStep::step_size()`, SGD's learning rate.
  virtual void set_step_size(double step_size);

  // Convolution, dense and depthwise alike.
  virtual void conv_forward(const ConvProblem& problem, const ConvForward& args);
  /// dx (N,H,W,C) from dy (N,P,Q,K); bias, residual and activation of the problem are ignored.
  virtual void conv_backward_data(const ConvProblem& problem, const void* w, const void* dy, void* dx);
  /// dw and, where not null, dbias (K), both master, from x and dy.
  virtual void conv_backward_filter(const ConvProblem& problem, const void* x, const void* dy, void* dw, void* dbias);
  virtual std::shared_ptr<const PackedConv> pack_conv(const ConvProblem& problem, const void* w, const void* bias);
  /// As `conv_forward`, with `args.w` and `args.bias` taken from `packed`.
  virtual void conv_forward_packed(const ConvProblem& problem, const PackedConv& packed, const ConvForward& args);

  // Batch normalisation with its activation and residual.
  virtual void norm_forward(const NormProblem& problem, const NormForward& args);
  virtual void norm_backward(const NormProblem& problem, const NormBackward& args);

  // Activations. y may be x; dx may be dy.
  virtual void act_forward(Act act, Dtype dtype, std::int64_t count, const void* x, void* y);
  virtual void act_backward(Act act, Dtype dtype, std::int64_t count, const void* x, const void* dy, void* dx);

  // Pooling. `indices` (N,P,Q,C) i32: position h*W+w of each maximum (the first of equals), for the backward call.
  virtual void pool_forward(const PoolProblem& problem, const void* x, void* y, std::int32_t* indices);
  virtual void pool_backward(const PoolProblem& problem, const void* dy, const std::int32_t* indices, void* dx);
  /// (N,H,W,C) -> (N,H+top+bottom,W+left+right,C), zeros around; backward crops.
  virtual void pad_forward(int n, int h, int w, int c, const Pad& pad, Dtype dtype, const void* x, void* y);
  virtual void pad_backward(int n, int h, int w, int c, const Pad& pad, Dtype dtype, const void* dy, void* dx);

  // Dense layers. The activation of the problem is applied by the forward call and ignored by the backward ones.
  virtual void dense_forward(const DenseProblem& problem, const void* x, const void* w, const void* bias, void* y);
  virtual void dense_backward_data(const DenseProblem& problem, const void* w, const void* dy, void* dx);
  virtual void dense_backward_weights(const DenseProblem& problem, const void* x, const void* dy, void* dw,
                                      void* dbias);

  // Element-wise and broadcast. y may be an input.
  virtual void add(Dtype dtype, std::int64_t count, const void* a, const void* b, void* y);
  virtual void scale_forward(const ScaleProblem& problem, const void* x, const void* gate, void* y);
  /// dx = dy gate; dgate (N,C) activations = sum over pixels of dy x. Each may be null; then gate or x may be null too.
  virtual void scale_backward(const ScaleProblem& problem, const void* x, const void* gate, const void* dy, void* dx,
                              void* dgate);
  /// The one call with a default: where a backend does not fuse it, it makes the calls that it stands for.
  virtual void squeeze_excite_forward(const SqueezeExciteProblem& problem, const SqueezeExciteForward& args);
  virtual void cast(Dtype from, Dtype to, std::int64_t count, const void* x, void* y);
  virtual void preprocess(const PreprocessProblem& problem, const void* pixels, void* y);
  [[nodiscard]] virtual bool can_resize() const { return false; }
  /// Photos on the device -> pixels (crops.size(),size,size,3) f32 in 0..255, with the bits that `resize_bilinear`
  /// (data/image.h) gives on the host.
  virtual void resize_photos(int size, std::span<const PhotoCrop> crops, float* pixels);
  /// y = x dropout_factor(rate, seed, i): also its own backward, with dy for x.
  virtual void dropout(Dtype dtype, std::int64_t count, float rate, std::uint64_t seed, const void* x, void* y);

  // Reductions with a fixed order.
  /// (rows,C) activations -> (C) master.
  virtual void sum_rows(Dtype dtype, std::int64_t rows, int c, const void* x, void* sums);
  /// out[0] (double, device) = sum of squares; not finite if any element is not.
  virtual void sum_squares(Dtype dtype, std::int64_t count, const void* x, double* out);

  /// Logits (N,classes) master and labels (N) i32. Adds to `sums`; probabilities and dlogits = (p - onehot) *
  /// gradient_scale where wanted. The loss is taken from logits (log-sum-exp), as TensorFlow's fused op does.
  virtual void softmax_cross_entropy(Dtype master, int n, int classes, const void* logits, const std::int32_t* labels,
                                     double gradient_scale, void* probabilities, void* dlogits, LossSums* sums);

  // Optimizers: every trainable parameter in one call.
  virtual void adam(Dtype master, std::span<const UpdateSlot> slots, const AdamStep& step);
  virtual void sgd(Dtype master, std::span<const UpdateSlot> slots, const SgdStep& step);

 protected:
  [[noreturn]] void not_offered(std::string_view call, std::string_view problem) const;
};

struct BackendOptions {
  int threads = 0;      ///< CPU threads; 0: all
  bool poison = false;  ///< fill fresh and released memory with NaN patterns (tests)

  // What a GPU's libraries may do; the others ignore it.
  bool tf32 = false;      ///< f32 products on tensor cores, with mantissas of 10 bits
  bool fast = false;      ///< algorithms that add up in no fixed order
  bool autotune = false;  ///< choose how convolutions and norms are computed by timing; kept in the cache folder
};

/// The devices of this build and machine, best first: CUDA devices where there are any, then "cpu", then "reference".
std::vector<DeviceInfo> devices();

/// A backend by name: "cpu", "reference", "cuda" or "auto" (the best usable device).
/// Throws `Error` (usage) for an unknown name and `Error` (device) where the device is not there.
std::shared_ptr<Backend> make_backend(std::string_view name, const BackendOptions& options = {});

}  // namespace thaw
