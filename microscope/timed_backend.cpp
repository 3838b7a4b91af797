#include "microscope/timed_backend.h"

#include <fmt/format.h>

namespace thaw::microscope {

namespace {

std::string conv_kind(const ConvProblem& p, std::string_view direction) {
  return fmt::format("{} {}x{} {}", p.depthwise() ? "depthwise" : "conv", p.r, p.s, direction);
}

double bytes_of(std::int64_t count, Dtype dtype, int tensors) {
  return static_cast<double>(count) * static_cast<double>(size_of(dtype)) * tensors;
}

double pool_bytes(const PoolProblem& p) { return bytes_of(p.input_size() + p.output_size(), p.dtype, 1); }

}  // namespace

void TimedBackend::conv_forward(const ConvProblem& p, const ConvForward& args) {
  timed(conv_kind(p, "forward"), p.text(), p.flops(), p.bytes(), [&] { inner_->conv_forward(p, args); });
}

void TimedBackend::conv_backward_data(const ConvProblem& p, const void* w, const void* dy, void* dx) {
  timed(conv_kind(p, "input gradient"), p.text(), p.flops(), p.bytes(),
        [&] { inner_->conv_backward_data(p, w, dy, dx); });
}

void TimedBackend::conv_backward_filter(const ConvProblem& p, const void* x, const void* dy, void* dw, void* dbias) {
  timed(conv_kind(p, "filter gradient"), p.text(), p.flops(), p.bytes(),
        [&] { inner_->conv_backward_filter(p, x, dy, dw, dbias); });
}

std::shared_ptr<const PackedConv> TimedBackend::pack_conv(const ConvProblem& p, const void* w, const void* bias) {
  std::shared_ptr<const PackedConv> packed;
  timed("pack filter", p.text(), 0, 0, [&] { packed = inner_->pack_conv(p, w, bias); });
  return packed;
}

void TimedBackend::conv_forward_packed(const ConvProblem& p, const PackedConv& packed, const ConvForward& args) {
  timed(conv_kind(p, "forward packed"), p.text(), p.flops(), p.bytes(),
        [&] { inner_->conv_forward_packed(p, packed, args); });
}

void TimedBackend::norm_forward(const NormProblem& p, const NormForward& args) {
  const int tensors = (p.training ? 3 : 2) + (p.residual ? 1 : 0);
  timed("norm forward", p.text(), 0, bytes_of(p.size(), p.dtype, tensors), [&] { inner_->norm_forward(p, args); });
}

void TimedBackend::norm_backward(const NormProblem& p, const NormBackward& args) {
  const int tensors = (p.training ? 5 : 3) + (p.residual ? 2 : 0);
  timed("norm backward", p.text(), 0, bytes_of(p.size(), p.dtype, tensors), [&] { inner_->norm_backward(p, args); });
}

void TimedBackend::act_forward(Act act, Dtype dtype, std::int64_t count, const void* x, void* y) {
  timed("activation forward", std::to_string(count), 0, bytes_of(count, dtype, 2),
        [&] { inner_->act_forward(act, dtype, count, x, y); });
}

void TimedBackend::act_backward(Act act, Dtype dtype, std::int64_t count, const void* x, const void* dy, void* dx) {
  timed("activation backward", std::to_string(count), 0, bytes_of(count, dtype, 3),
        [&] { inner_->act_backward(act, dtype, count, x, dy, dx); });
}

void TimedBackend::pool_forward(const PoolProblem& p, const void* x, void* y, std::int32_t* indices) {
  timed("pool forward", p.text(), 0, pool_bytes(p), [&] { inner_->pool_forward(p, x, y, indices); });
}

void TimedBackend::pool_backward(const PoolProblem& p, const void* dy, const std::int32_t* indices, void* dx) {
  timed("pool backward", p.text(), 0, pool_bytes(p), [&] { inner_->pool_backward(p, dy, indices, dx); });
}

void TimedBackend::pad_forward(int n, int h, int w, int c, const Pad& pad, Dtype dtype, const void* x, void* y) {
  timed("pad", "forward", 0, bytes_of(std::int64_t{n} * h * w * c, dtype, 2),
        [&] { inner_->pad_forward(n, h, w, c, pad, dtype, x, y); });
}

void TimedBackend::pad_backward(int n, int h, int w, int c, const Pad& pad, Dtype dtype, const void* dy, void* dx) {
  timed("pad", "backward", 0, bytes_of(std::int64_t{n} * h * w * c, dtype, 2),
        [&] { inner_->pad_backward(n, h, w, c, pad, dtype, dy, dx); });
}

void TimedBackend::dense_forward(const DenseProblem& p, const void* x, const void* w, const void* bias, void* y) {
  timed("dense", p.text() + " forward", p.flops(), 0, [&] { inner_->dense_forward(p, x, w, bias, y); });
}

void TimedBackend::dense_backward_data(const DenseProblem& p, const void* w, const void* dy, void* dx) {
  timed("dense", p.text() + " input gradient", p.flops(), 0, [&] { inner_->dense_backward_data(p, w, dy, dx); });
}

void TimedBackend::dense_backward_weights(const DenseProblem& p, const void* x, const void* dy, void* dw, void* dbias) {
  timed("dense", p.text() + " weight gradient", p.flops(), 0,
        [&] { inner_->dense_backward_weights(p, x, dy, dw, dbias); });
}

void TimedBackend::add(Dtype dtype, std::int64_t count, const void* a, const void* b, void* y) {
  timed("add", std::to_string(count), 0, bytes_of(count, dtype, 3), [&] { inner_->add(dtype, count, a, b, y); });
}

void TimedBackend::scale_forward(const ScaleProblem& p, const void* x, const void* gate, void* y) {
  timed("scale forward", p.text(), 0, bytes_of(p.size(), p.dtype, 2), [&] { inner_->scale_forward(p, x, gate, y); });
}

void TimedBackend::scale_backward(const ScaleProblem& p, const void* x, const void* gate, const void* dy, void* dx,
                                  void* dgate) {
  timed("scale backward", p.text(), 0, bytes_of(p.size(), p.dtype, 3),
        [&] { inner_->scale_backward(p, x, gate, dy, dx, dgate); });
}

void TimedBackend::squeeze_excite_forward(const SqueezeExciteProblem& p, const SqueezeExciteForward& args) {
  if (!fuses(p)) return Backend::squeeze_excite_forward(p, args);
  timed("squeeze-excite forward", p.text(), p.flops(), p.bytes(), [&] { inner_->squeeze_excite_forward(p, args); });
}

void TimedBackend::cast(Dtype from, Dtype to, std::int64_t count, const void* x, void* y) {
  timed("cast", std::to_string(count), 0, bytes_of(count, from, 1) + bytes_of(count, to, 1),
        [&] { inner_->cast(from, to, count, x, y); });
}

void TimedBackend::preprocess(const PreprocessProblem& p, const void* pixels, void* y) {
  const std::int64_t count = std::int64_t{p.n} * p.hw * 3;
  timed("preprocess", "", 0, bytes_of(count, p.input, 1) + bytes_of(count, p.output, 1),
        [&] { inner_->preprocess(p, pixels, y); });
}

void TimedBackend::dropout(Dtype dtype, std::int64_t count, float rate, std::uint64_t seed, const void* x, void* y) {
  timed("dropout", "", 0, bytes_of(count, dtype, 2), [&] { inner_->dropout(dtype, count, rate, seed, x, y); });
}

void TimedBackend::sum_rows(Dtype dtype, std::int64_t rows, int c, const void* x, void* sums) {
  timed("sum rows", "", 0, bytes_of(rows * c, dtype, 1), [&] { inner_->sum_rows(dtype, rows, c, x, sums); });
}

void TimedBackend::sum_squares(Dtype dtype, std::int64_t count, const void* x, double* out) {
  timed("sum squares", "", 0, bytes_of(count, dtype, 1), [&] { inner_->sum_squares(dtype, count, x, out); });
}

void TimedBackend::softmax_cross_entropy(Dtype master, int n, int classes, const void* logits,
                                         const std::int32_t* labels, double gradient_scale, void* probabilities,
                                         void* dlogits, LossSums* sums) {
  timed("loss", "", 0, 0, [&] {
    inner_->softmax_cross_entropy(master, n, classes, logits, labels, gradient_scale, probabilities, dlogits, sums);
  });
}

void TimedBackend::adam(Dtype master, std::span<const UpdateSlot> slots, const AdamStep& step) {
  double bytes = 0;
  for (const UpdateSlot& slot : slots) bytes += bytes_of(slot.count, master, 7);
  timed("adam", "", 0, bytes, [&] { inner_->adam(master, slots, step); });
}

void TimedBackend::sgd(Dtype master, std::span<const UpdateSlot> slots, const SgdStep& step) {
  timed("sgd", "", 0, 0, [&] { inner_->sgd(master, slots, step); });
}

}  // namespace thaw::microscope
