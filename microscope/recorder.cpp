#include "microscope/recorder.h"

#include <algorithm>
#include <map>

#include "framework/training_step.h"
#include "kernels/error.h"
#include "microscope/parameter_counts.h"
#include "microscope/text_reader.h"
#include "models/recording_backend.h"
#include "models/selector.h"
#include "models/zoo.h"

namespace thaw::microscope {

namespace {

/// Writes down every call, as a request of `thaw bench`.
class RequestRecorder : public RecordingBackend {
 public:
  using RecordingBackend::RecordingBackend;
  std::vector<Request> requests;

  void conv_forward(const ConvProblem& p, const ConvForward&) override { conv(p, "fwd"); }
  void conv_backward_data(const ConvProblem& p, const void*, const void*, void*) override { conv(bare(p), "dgrad"); }
  void conv_backward_filter(const ConvProblem& p, const void*, const void*, void*, void* dbias) override {
    ConvProblem problem = bare(p);
    problem.bias = dbias != nullptr;
    conv(problem, "wgrad");
  }
  void conv_forward_packed(const ConvProblem& p, const PackedConv&, const ConvForward&) override { conv(p, "packed"); }

  void norm_forward(const NormProblem& p, const NormForward&) override { note("norm", p.text(), "fwd"); }
  void norm_backward(const NormProblem& p, const NormBackward&) override { note("norm", p.text(), "bwd"); }

  void act_forward(Act act, Dtype dtype, std::int64_t count, const void*, void*) override {
    point(fmt::format("act_{}_count{}:{}", name_of(act), count, name_of(dtype)), "fwd");
  }
  void act_backward(Act act, Dtype dtype, std::int64_t count, const void*, const void*, void*) override {
    point(fmt::format("act_{}_count{}:{}", name_of(act), count, name_of(dtype)), "bwd");
  }

  void pool_forward(const PoolProblem& p, const void*, void*, std::int32_t*) override { note("pool", p.text(), "fwd"); }
  void pool_backward(const PoolProblem& p, const void*, const std::int32_t*, void*) override {
    note("pool", p.text(), "bwd");
  }
  void pad_forward(int n, int h, int w, int c, const Pad& pad, Dtype dtype, const void*, void*) override {
    point(fmt::format("pad_n{}h{}w{}c{}{}:{}", n, h, w, c, pad_text(pad), name_of(dtype)), "fwd");
  }
  void pad_backward(int n, int h, int w, int c, const Pad& pad, Dtype dtype, const void*, void*) override {
    point(fmt::format("pad_n{}h{}w{}c{}{}:{}", n, h, w, c, pad_text(pad), name_of(dtype)), "bwd");
  }

  void dense_forward(const DenseProblem& p, const void*, const void*, const void*, void*) override {
    note("dense", p.text(), "fwd");
  }
  void dense_backward_data(const DenseProblem& p, const void*, const void*, void*) override {
    note("dense", p.text(), "dgrad");
  }
  void dense_backward_weights(const DenseProblem& p, const void*, const void*, void*, void*) override {
    note("dense", p.text(), "wgrad");
  }

  void add(Dtype dtype, std::int64_t count, const void*, const void*, void*) override {
    point(fmt::format("add_count{}:{}", count, name_of(dtype)), "fwd");
  }
  void scale_forward(const ScaleProblem& p, const void*, const void*, void*) override { point(p.text(), "fwd"); }
  void scale_backward(const ScaleProblem& p, const void*, const void*, const void*, void*, void*) override {
    point(p.text(), "bwd");
  }
  void squeeze_excite_forward(const SqueezeExciteProblem& p, const SqueezeExciteForward& args) override {
    if (!fuses(p)) return RecordingBackend::squeeze_excite_forward(p, args);
    point(p.text(), "fwd");
  }
  void cast(Dtype from, Dtype to, std::int64_t count, const void*, void*) override {
    point(fmt::format("cast_{}_to_{}_count{}", name_of(from), name_of(to), count), "fwd");
  }
  void preprocess(const PreprocessProblem& p, const void*, void*) override {
    point(
        fmt::format("preprocess_n{}hw{}{}:{}:{}", p.n, p.hw, p.bgr ? "+bgr" : "", name_of(p.input), name_of(p.output)),
        "fwd");
  }
  void dropout(Dtype dtype, std::int64_t count, float, std::uint64_t, const void*, void*) override {
    point(fmt::format("dropout_count{}:{}", count, name_of(dtype)), "fwd");
  }
  void softmax_cross_entropy(Dtype, int n, int classes, const void*, const std::int32_t*, double, void*, void*,
                             LossSums*) override {
    point(fmt::format("softmax_n{}k{}", n, classes), "fwd");
  }
  void adam(Dtype, std::span<const UpdateSlot> slots, const AdamStep&) override {
    std::map<std::int64_t, std::int64_t> counts;
    for (const UpdateSlot& slot : slots) ++counts[slot.count];
    note("adam", adam_text(counts), "update");
  }

 private:
  /// Backward calls ignore what is fused into the forward one, so that equal ones are one row.
  static ConvProblem bare(ConvProblem p) {
    p.bias = p.residual = false;
    p.act = Act::linear;
    return p;
  }
  void conv(const ConvProblem& p, const char* direction) {
    note(p.depthwise() ? "depthwise" : "conv", p.text(), direction);
  }
  void point(const std::string& problem, const char* direction) { note("pointwise", problem, direction); }
  void note(const char* family, const std::string& problem, const char* direction) {
    const auto same = [&](const Request& r) {
      return r.family == family && r.problem == problem && r.direction == direction;
    };
    const auto found = std::find_if(requests.begin(), requests.end(), same);
    if (found != requests.end()) {
      ++found->count;
    } else {
      requests.push_back({.family = family, .problem = problem, .direction = direction});
    }
  }
};

}  // namespace

std::vector<Request> record_step(const NetOptions& options) {
  const auto backend = std::make_shared<RequestRecorder>(options.fuses);
  const HeadOptions head{.classes = options.classes, .dropout = 0.2};
  const auto net =
      build_model(options.model, backend, {.size = options.size, .head = head, .master = master_dtype(options.dtype)});
  apply_selection(*net, select_layers(*net, options.unfreeze), parse_norm_mode(options.bn));
  backend->requests.clear();
  Context ctx{.backend = backend, .dtype = options.dtype};
  const Tensor pixels = Tensor::empty(backend, {options.batch, options.size, options.size, 3}, Dtype::f32);
  const std::vector<std::int32_t> labels(static_cast<std::size_t>(options.batch));
  const StepInputs inputs{.x = net->input(ctx, pixels),
                          .labels = Tensor::from_labels(backend, labels),
                          .sums = make_loss_sums(backend),
                          .trainable = net->parameters.trainable(),
                          .learning_rate = 1e-3};
  take_step(*net, ctx, inputs, *make_adam());
  return backend->requests;
}

}  // namespace thaw::microscope
