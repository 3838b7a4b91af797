#include "framework/dropout_masks.h"

#include "framework/autograd.h"
#include "kernels/error.h"
#include "kernels/pointwise.h"

namespace thaw {

std::uint64_t dropout_seed(const Context& ctx, std::uint64_t call) {
  return pointwise::random_bits(ctx.seed, ctx.step * 64 + call);
}

const Tensor& DropoutMasks::mask(const Context& ctx, std::uint64_t call, const Tensor& x, double rate) {
  if (call == masks_.size()) {
    const std::vector<float> ones(static_cast<std::size_t>(x.numel()), 1.0F);
    const Mask fresh{.ones = Tensor::from_host(ctx.backend, x.shape(), x.dtype(), std::span<const float>(ones)),
                     .factors = Tensor::empty(ctx.backend, x.shape(), x.dtype()),
                     .rate = rate};
    draw(ctx, call, fresh);
    masks_.push_back(fresh);
  }
  const Mask& known = masks_.at(call);
  if (!(known.factors.shape() == x.shape()) || known.factors.dtype() != x.dtype() || known.rate != rate) {
    fail(ErrorKind::failed, "[dropout] call {} of a step has other elements or another rate than in the step before",
         call);
  }
  return known.factors;
}

void DropoutMasks::draw(const Context& ctx) {
  for (std::size_t call = 0; call < masks_.size(); ++call) draw(ctx, call, masks_[call]);
}

void DropoutMasks::draw(const Context& ctx, std::uint64_t call, const Mask& mask) {
  ctx.backend->dropout(mask.ones.dtype(), mask.ones.numel(), static_cast<float>(mask.rate), dropout_seed(ctx, call),
                       mask.ones.data(), mask.factors.data());
}

}  // namespace thaw
