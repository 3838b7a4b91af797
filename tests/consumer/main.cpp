// One convolution and its gradient on the processor, through thaw's public headers, and a call into each library.
#include <cstdio>
#include <memory>
#include <span>
#include <vector>

#include "data/synth.h"
#include "fetch/download.h"
#include "framework/ops.h"
#include "kernels/error.h"
#include "models/zoo.h"
#include "weights/manifest.h"

namespace {

thaw::Var ones(const thaw::Context& ctx, const thaw::Shape& shape) {
  const std::vector<double> host(static_cast<std::size_t>(shape.numel()), 1.0);
  return thaw::Var(thaw::Tensor::from_host(ctx.backend, shape, ctx.dtype, std::span<const double>(host)),
                   std::make_shared<thaw::Gradient>());
}

/// Whether every element is `wanted`; says so if not.
bool all_are(const char* what, const thaw::Tensor& tensor, double wanted) {
  for (const double value : tensor.to_doubles()) {
    if (value == wanted) continue;
    std::printf("%s: %g instead of %g\n", what, value, wanted);
    return false;
  }
  return true;
}

}  // namespace

int main() {
  thaw::Context ctx;
  ctx.backend = thaw::make_backend("cpu");
  ctx.dtype = thaw::Dtype::f32;
  thaw::Tape tape;
  ctx.tape = &tape;
  const thaw::Var x = ones(ctx, {2, 4, 4, 16}), w = ones(ctx, {8, 3, 3, 16});
  const thaw::Var y = thaw::conv2d(ctx, x, w, thaw::Var(), {});
  if (!all_are("y", y.value(), 3 * 3 * 16)) return 1;
  y.gradient()->value = ones(ctx, y.shape()).value();
  tape.backward();
  if (!all_are("dw", w.gradient()->value, 2 * 2 * 2)) return 1;  // two images, 2x2 places for each tap

  if (thaw::known_file_of_model("resnet50", false) == nullptr || thaw::synthetic_class_names().size() != 5) return 1;
  try {
    thaw::download({.name = "x", .url = "file:///x"}, ".", {});
    return 1;
  } catch (const thaw::Error& error) {
    std::printf("consumer: y = 144, dw = 8; %s\n", error.what());
  }
  return 0;
}
