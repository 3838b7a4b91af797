#include "kernels/cpu/conv_engine.h"
#include "kernels/cpu/cpu_backend.h"
#include "kernels/cpu/simd/simd.h"
#include "kernels/error.h"

namespace thaw {

namespace {

/// Parameters and optimizer state are f32 here.
void need_f32(std::string_view call, Dtype master) {
  if (master == Dtype::f32) return;
  fail(ErrorKind::device, "[{}] the cpu backend keeps parameters in f32, not in {}; use --device reference for f64",
       call, name_of(master));
}

}  // namespace

void CpuBackend::norm_forward(const NormProblem& problem, const NormForward& args) {
  enter("norm_forward", problem.dtype);
  const Scratch scratch(arena_, norm_scratch_bytes(problem.rows, problem.c));
  simd_.norm_forward(problem, args, scratch.data());
}

void CpuBackend::norm_backward(const NormProblem& problem, const NormBackward& args) {
  enter("norm_backward", problem.dtype);
  problem.check_gradient();
  const Scratch scratch(arena_, norm_scratch_bytes(problem.rows, problem.c));
  simd_.norm_backward(problem, args.readable(), scratch.data());
}

void CpuBackend::act_forward(Act act, Dtype dtype, std::int64_t count, const void* x, void* y) {
  enter("act_forward", dtype);
  simd_.act_forward(act, dtype, count, x, y);
}

void CpuBackend::act_backward(Act act, Dtype dtype, std::int64_t count, const void* x, const void* dy, void* dx) {
  enter("act_backward", dtype);
  simd_.act_backward(act, dtype, count, x, dy, dx);
}

void CpuBackend::pool_forward(const PoolProblem& problem, const void* x, void* y, std::int32_t* indices) {
  enter("pool_forward", problem.dtype);
  problem.check();
  simd_.pool_forward(problem, x, y, indices);
}

void CpuBackend::pool_backward(const PoolProblem& problem, const void* dy, const std::int32_t* indices, void* dx) {
  enter("pool_backward", problem.dtype);
  problem.check_gradient(indices);
  problem.check();
  simd_.pool_backward(problem, dy, indices, dx);
}

void CpuBackend::pad_forward(int n, int h, int w, int c, const Pad& pad, Dtype dtype, const void* x, void* y) {
  enter("pad_forward", dtype);
  simd_.pad_forward(n, h, w, c, pad, dtype, x, y);
}

void CpuBackend::pad_backward(int n, int h, int w, int c, const Pad& pad, Dtype dtype, const void* dy, void* dx) {
  enter("pad_backward", dtype);
  simd_.pad_backward(n, h, w, c, pad, dtype, dy, dx);
}

void CpuBackend::add(Dtype dtype, std::int64_t count, const void* a, const void* b, void* y) {
  enter("add", dtype);
  simd_.add(dtype, count, a, b, y);
}

void CpuBackend::scale_forward(const ScaleProblem& problem, const void* x, const void* gate, void* y) {
  enter("scale_forward", problem.dtype);
  simd_.scale_forward(problem, x, gate, y);
}

void CpuBackend::scale_backward(const ScaleProblem& problem, const void* x, const void* gate, const void* dy, void* dx,
                                void* dgate) {
  enter("scale_backward", problem.dtype);
  simd_.scale_backward(problem, x, gate, dy, dx, dgate);
}

void CpuBackend::cast(Dtype from, Dtype to, std::int64_t count, const void* x, void* y) {
  threads_.enter();  // any type: images arrive as u8, and the oracle's f64 is compared with
  simd_.cast(from, to, count, x, y);
}

void CpuBackend::preprocess(const PreprocessProblem& problem, const void* pixels, void* y) {
  enter("preprocess", problem.output);
  simd_.preprocess(problem, pixels, y);
}

void CpuBackend::dropout(Dtype dtype, std::int64_t count, float rate, std::uint64_t seed, const void* x, void* y) {
  enter("dropout", dtype);
  simd_.dropout(dtype, count, rate, seed, x, y);
}

void CpuBackend::sum_rows(Dtype dtype, std::int64_t rows, int c, const void* x, void* sums) {
  enter("sum_rows", dtype);
  const Scratch scratch(arena_, sum_rows_scratch_bytes(rows, c));
  simd_.sum_rows(dtype, rows, c, x, static_cast<float*>(sums), scratch.data());
}

void CpuBackend::sum_squares(Dtype dtype, std::int64_t count, const void* x, double* out) {
  enter("sum_squares", dtype);
  const Scratch scratch(arena_, sum_squares_scratch_bytes(count));
  simd_.sum_squares(dtype, count, x, out, scratch.data());
}

void CpuBackend::softmax_cross_entropy(Dtype master, int n, int classes, const void* logits, const std::int32_t* labels,
                                       double gradient_scale, void* probabilities, void* dlogits, LossSums* sums) {
  need_f32("softmax_cross_entropy", master);
  threads_.enter();
  simd_.softmax_cross_entropy(n, classes, static_cast<const float*>(logits), labels, gradient_scale,
                              static_cast<float*>(probabilities), static_cast<float*>(dlogits), sums);
}

void CpuBackend::adam(Dtype master, std::span<const UpdateSlot> slots, const AdamStep& step) {
  need_f32("adam", master);
  threads_.enter();
  simd_.adam(slots.data(), slots.size(), step);
}

void CpuBackend::sgd(Dtype master, std::span<const UpdateSlot> slots, const SgdStep& step) {
  need_f32("sgd", master);
  threads_.enter();
  simd_.sgd(slots.data(), slots.size(), step);
}

}  // namespace thaw
