#include "kernels/backend.h"

#include <chrono>
#include <cmath>

#include "kernels/error.h"

namespace thaw {

namespace {

std::string elements(Dtype dtype, std::int64_t count) {
  return fmt::format("{} elements of {}", count, name_of(dtype));
}

class SteadyStopwatch : public Stopwatch {
 public:
  explicit SteadyStopwatch(Backend& backend) : backend_(backend) {}
  void start() override {
    backend_.synchronize();
    start_ = std::chrono::steady_clock::now();
  }
  double stop() override {
    backend_.synchronize();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  Backend& backend_;
  std::chrono::steady_clock::time_point start_ = {};
};

/// An output that the caller wants, or memory in its place for as long as a call lasts.
class Between {
 public:
  Between(Backend& backend, void* wanted, std::int64_t count, Dtype dtype)
      : backend_(backend),
        own_(wanted == nullptr ? backend.allocate(static_cast<std::size_t>(count) * size_of(dtype)) : nullptr),
        data_(wanted == nullptr ? own_ : wanted) {}
  ~Between() {
    if (own_ != nullptr) backend_.release(own_);
  }
  Between(const Between&) = delete;
  Between& operator=(const Between&) = delete;
  [[nodiscard]] void* data() const { return data_; }

 private:
  Backend& backend_;
  void* own_;
  void* data_;
};

}  // namespace

std::unique_ptr<Stopwatch> Backend::stopwatch() { return std::make_unique<SteadyStopwatch>(*this); }

void Backend::not_offered(std::string_view call, std::string_view problem) const {
  fail(ErrorKind::device, "[{}] the {} backend does not offer this call for {}; choose another --device", call, name(),
       problem);
}

double AdamStep::step_size() const {
  const auto t = static_cast<double>(step);
  return lr * std::sqrt(1.0 - std::pow(beta2, t)) / (1.0 - std::pow(beta1, t));
}

std::unique_ptr<Recording> Backend::record(const std::function<void()>&) { not_offered("record", "a step"); }
void Backend::replay(const Recording&) { not_offered("replay", "a step"); }
void Backend::set_step_size(double) { not_offered("set_step_size", "a step"); }

void Backend::conv_forward(const ConvProblem& problem, const ConvForward&) {
  not_offered("conv_forward", problem.text());
}
void Backend::conv_backward_data(const ConvProblem& problem, const void*, const void*, void*) {
  not_offered("conv_backward_data", problem.text());
}
void Backend::conv_backward_filter(const ConvProblem& problem, const void*, const void*, void*, void*) {
  not_offered("conv_backward_filter", problem.text());
}
std::shared_ptr<const PackedConv> Backend::pack_conv(const ConvProblem& problem, const void*, const void*) {
  not_offered("pack_conv", problem.text());
}
void Backend::conv_forward_packed(const ConvProblem& problem, const PackedConv&, const ConvForward&) {
  not_offered("conv_forward_packed", problem.text());
}
void Backend::norm_forward(const NormProblem& problem, const NormForward&) {
  not_offered("norm_forward", problem.text());
}
void Backend::norm_backward(const NormProblem& problem, const NormBackward&) {
  not_offered("norm_backward", problem.text());
}
void Backend::act_forward(Act, Dtype dtype, std::int64_t count, const void*, void*) {
  not_offered("act_forward", elements(dtype, count));
}
void Backend::act_backward(Act, Dtype dtype, std::int64_t count, const void*, const void*, void*) {
  not_offered("act_backward", elements(dtype, count));
}
void Backend::pool_forward(const PoolProblem& problem, const void*, void*, std::int32_t*) {
  not_offered("pool_forward", problem.text());
}
void Backend::pool_backward(const PoolProblem& problem, const void*, const std::int32_t*, void*) {
  not_offered("pool_backward", problem.text());
}
void Backend::pad_forward(int n, int h, int w, int c, const Pad&, Dtype dtype, const void*, void*) {
  not_offered("pad_forward", fmt::format("n{}c{}h{}w{}:{}", n, c, h, w, name_of(dtype)));
}
void Backend::pad_backward(int n, int h, int w, int c, const Pad&, Dtype dtype, const void*, void*) {
  not_offered("pad_backward", fmt::format("n{}c{}h{}w{}:{}", n, c, h, w, name_of(dtype)));
}
void Backend::dense_forward(const DenseProblem& problem, const void*, const void*, const void*, void*) {
  not_offered("dense_forward", problem.text());
}
void Backend::dense_backward_data(const DenseProblem& problem, const void*, const void*, void*) {
  not_offered("dense_backward_data", problem.text());
}
void Backend::dense_backward_weights(const DenseProblem& problem, const void*, const void*, void*, void*) {
  not_offered("dense_backward_weights", problem.text());
}
void Backend::add(Dtype dtype, std::int64_t count, const void*, const void*, void*) {
  not_offered("add", elements(dtype, count));
}
void Backend::scale_forward(const ScaleProblem& problem, const void*, const void*, void*) {
  not_offered("scale_forward", problem.text());
}
void Backend::scale_backward(const ScaleProblem& problem, const void*, const void*, const void*, void*, void*) {
  not_offered("scale_backward", problem.text());
}
void Backend::squeeze_excite_forward(const SqueezeExciteProblem& problem, const SqueezeExciteForward& args) {
  const std::int64_t few = std::int64_t{problem.n} * problem.k;
  const std::int64_t many = std::int64_t{problem.n} * problem.c;
  const Between pooled(*this, args.pooled, many, problem.dtype);
  pool_forward(problem.pool(), args.x, pooled.data(), nullptr);
  const Between squeezed(*this, args.squeezed, few, problem.dtype);
  void* reduced = args.reduced == nullptr ? squeezed.data() : args.reduced;
  conv_forward(problem.reduce(), {.x = pooled.data(), .w = args.reduce, .bias = args.reduce_bias, .y = reduced});
  act_forward(Act::relu, problem.dtype, few, reduced, squeezed.data());
  const Between gate(*this, args.gate, many, problem.dtype);
  void* expanded = args.expanded == nullptr ? gate.data() : args.expanded;
  conv_forward(problem.expand(), {.x = squeezed.data(), .w = args.expand, .bias = args.expand_bias, .y = expanded});
  act_forward(Act::hard_sigmoid, problem.dtype, many, expanded, gate.data());
  scale_forward(problem.scale(), args.x, gate.data(), args.y);
}
void Backend::cast(Dtype from, Dtype to, std::int64_t count, const void*, void*) {
  not_offered("cast", fmt::format("{} to {}", elements(from, count), name_of(to)));
}
void Backend::preprocess(const PreprocessProblem& problem, const void*, void*) {
  not_offered("preprocess", fmt::format("{} images of {} pixels", problem.n, problem.hw));
}
void Backend::resize_photos(int size, std::span<const PhotoCrop> crops, float*) {
  not_offered("resize_photos", fmt::format("{} photos to {}x{}", crops.size(), size, size));
}
void Backend::dropout(Dtype dtype, std::int64_t count, float, std::uint64_t, const void*, void*) {
  not_offered("dropout", elements(dtype, count));
}
void Backend::sum_rows(Dtype dtype, std::int64_t rows, int c, const void*, void*) {
  not_offered("sum_rows", elements(dtype, rows * c));
}
void Backend::sum_squares(Dtype dtype, std::int64_t count, const void*, double*) {
  not_offered("sum_squares", elements(dtype, count));
}
void Backend::softmax_cross_entropy(Dtype master, int n, int classes, const void*, const std::int32_t*, double, void*,
                                    void*, LossSums*) {
  not_offered("softmax_cross_entropy", elements(master, std::int64_t{n} * classes));
}
void Backend::adam(Dtype master, std::span<const UpdateSlot> slots, const AdamStep&) {
  not_offered("adam", fmt::format("{} parameters of {}", slots.size(), name_of(master)));
}
void Backend::sgd(Dtype master, std::span<const UpdateSlot> slots, const SgdStep&) {
  not_offered("sgd", fmt::format("{} parameters of {}", slots.size(), name_of(master)));
}

}  // namespace thaw
