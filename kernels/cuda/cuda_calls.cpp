// The backend's calls that thaw's own kernels answer.
#include "kernels/cuda/cuda_backend.h"
#include "kernels/error.h"

namespace thaw {

void CudaBackend::act_forward(Act act, Dtype dtype, std::int64_t count, const void* x, void* y) {
  check_dtype("act_forward", dtype);
  cuda::act_forward(stream(), act, dtype, count, x, y);
}

void CudaBackend::act_backward(Act act, Dtype dtype, std::int64_t count, const void* x, const void* dy, void* dx) {
  check_dtype("act_backward", dtype);
  cuda::act_backward(stream(), act, dtype, count, x, dy, dx);
}

void CudaBackend::pool_forward(const PoolProblem& problem, const void* x, void* y, std::int32_t* indices) {
  check_dtype("pool_forward", problem.dtype);
  problem.check();
  cuda::pool_forward(*this, problem, x, y, indices);
}

void CudaBackend::pool_backward(const PoolProblem& problem, const void* dy, const std::int32_t* indices, void* dx) {
  check_dtype("pool_backward", problem.dtype);
  problem.check_gradient(indices);
  cuda::pool_backward(stream(), problem, dy, indices, dx);
}

void CudaBackend::pad_forward(int n, int h, int w, int c, const Pad& pad, Dtype dtype, const void* x, void* y) {
  check_dtype("pad_forward", dtype);
  cuda::pad(stream(), n, h, w, c, pad, dtype, x, y);
}

void CudaBackend::pad_backward(int n, int h, int w, int c, const Pad& pad, Dtype dtype, const void* dy, void* dx) {
  check_dtype("pad_backward", dtype);
  cuda::crop(stream(), n, h, w, c, pad, dtype, dy, dx);
}

void CudaBackend::add(Dtype dtype, std::int64_t count, const void* a, const void* b, void* y) {
  check_dtype("add", dtype);
  cuda::add(stream(), dtype, count, a, b, y);
}

void CudaBackend::scale_forward(const ScaleProblem& problem, const void* x, const void* gate, void* y) {
  check_dtype("scale_forward", problem.dtype);
  cuda::scale_forward(stream(), problem, x, gate, y);
}

void CudaBackend::scale_backward(const ScaleProblem& problem, const void* x, const void* gate, const void* dy, void* dx,
                                 void* dgate) {
  check_dtype("scale_backward", problem.dtype);
  cuda::scale_backward(*this, problem, x, gate, dy, dx, dgate);
}

void CudaBackend::squeeze_excite_forward(const SqueezeExciteProblem& problem, const SqueezeExciteForward& args) {
  check_dtype("squeeze_excite_forward", problem.dtype);
  cuda::squeeze_excite_forward(*this, problem, args);
}

void CudaBackend::cast(Dtype from, Dtype to, std::int64_t count, const void* x, void* y) {
  cuda::cast(stream(), from, to, count, x, y);
}

void CudaBackend::preprocess(const PreprocessProblem& problem, const void* pixels, void* y) {
  cuda::preprocess(stream(), problem, pixels, y);
}

void CudaBackend::resize_photos(int size, std::span<const PhotoCrop> crops, float* pixels) {
  cuda::resize_photos(stream(), size, crops, pixels);
}

void CudaBackend::dropout(Dtype dtype, std::int64_t count, float rate, std::uint64_t seed, const void* x, void* y) {
  check_dtype("dropout", dtype);
  cuda::dropout(stream(), dtype, count, rate, seed, x, y);
}

void CudaBackend::sum_rows(Dtype dtype, std::int64_t rows, int c, const void* x, void* sums) {
  check_dtype("sum_rows", dtype);
  cuda::sum_rows(*this, dtype, rows, c, x, static_cast<float*>(sums));
}

void CudaBackend::sum_squares(Dtype dtype, std::int64_t count, const void* x, double* out) {
  check_dtype("sum_squares", dtype);
  cuda::sum_squares(*this, dtype, count, x, out);
}

void CudaBackend::softmax_cross_entropy(Dtype master, int n, int classes, const void* logits,
                                        const std::int32_t* labels, double gradient_scale, void* probabilities,
                                        void* dlogits, LossSums* sums) {
  if (master != Dtype::f32) not_offered("softmax_cross_entropy", name_of(master));
  cuda::softmax_cross_entropy(stream(), n, classes, static_cast<const float*>(logits), labels, gradient_scale,
                              static_cast<float*>(probabilities), static_cast<float*>(dlogits), sums);
}

void CudaBackend::adam(Dtype master, std::span<const UpdateSlot> slots, const AdamStep& step) {
  if (master != Dtype::f32) not_offered("adam", name_of(master));
  cuda::adam(stream(), copies_.join(slots, recording_), step, step_size_of_call(step.step_size()));
}

void CudaBackend::sgd(Dtype master, std::span<const UpdateSlot> slots, const SgdStep& step) {
  if (master != Dtype::f32) not_offered("sgd", name_of(master));
  cuda::sgd(stream(), copies_.join(slots, recording_), step, step_size_of_call(step.lr));
}

}  // namespace thaw
