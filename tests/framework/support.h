#pragma once

#include <cmath>
#include <functional>
#include <numeric>
#include <vector>

#include "framework/layers.h"
#include "framework/trainer.h"
#include "kernels/pointwise.h"

namespace thaw::test {

/// Reproducible values in [-1, 1): element i of stream `stream`.
inline std::vector<double> values(std::int64_t count, std::uint64_t stream) {
  std::vector<double> out(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = 2.0 * pointwise::uniform(stream * 7919 + 1, i) - 1.0;
  return out;
}

inline Context reference_context(Dtype dtype = Dtype::f64, const BackendOptions& options = {}) {
  Context ctx;
#ifdef THAW_ONLY_DEVICE
  ctx.backend = make_backend(THAW_ONLY_DEVICE, options);
#else
  ctx.backend = make_backend("reference", options);
#endif
  ctx.dtype = dtype;
  return ctx;
}

/// A leaf that wants a gradient.
inline Var leaf(const Context& ctx, const Shape& shape, std::uint64_t stream, double scale = 1.0, double shift = 0.0) {
  std::vector<double> host = values(shape.numel(), stream);
  for (double& v : host) v = v * scale + shift;
  return Var(Tensor::from_host(ctx.backend, shape, ctx.dtype, std::span<const double>(host)),
             std::make_shared<Gradient>());
}

/// A function of leaves under test, and its weighted sum as a scalar: sum_i r_i f(leaves)_i with fixed random r.
using Function = std::function<Var(Context&, const std::vector<Var>&)>;

inline double scalar_of(const Tensor& y) {
  const std::vector<double> host = y.to_doubles();
  const std::vector<double> r = values(y.numel(), 991);
  return std::inner_product(host.begin(), host.end(), r.begin(), 0.0);
}

/// The gradients of that scalar by the tape.
inline void differentiate(Context ctx, const Function& f, const std::vector<Var>& leaves) {
  Tape tape;
  ctx.tape = &tape;
  const Var y = f(ctx, leaves);
  const std::vector<double> r = values(y.value().numel(), 991);
  y.gradient()->value = Tensor::from_host(ctx.backend, y.shape(), y.value().dtype(), std::span<const double>(r));
  tape.backward();
}

/// The largest difference between the tape's gradient and central differences (f64), relative to the gradient's size.
inline double gradient_error(const Context& ctx, const Function& f, const std::vector<Var>& leaves, double h = 1e-5) {
  differentiate(ctx, f, leaves);
  double worst = 0;
  for (const Var& x : leaves) {
    const std::vector<double> analytic = x.gradient()->value.to_doubles();
    std::vector<double> host = x.value().to_doubles();
    double scale = 1e-3;
    for (const double g : analytic) scale = std::max(scale, std::abs(g));
    const std::size_t stride = std::max<std::size_t>(1, host.size() / 40);  // at most about forty elements a leaf
    for (std::size_t i = 0; i < host.size(); i += stride) {
      const double keep = host[i];
      const auto at = [&](double v) {
        host[i] = v;
        x.value().assign(std::span<const double>(host));
        Context plain = ctx;
        return scalar_of(f(plain, leaves).value());
      };
      const double numeric = (at(keep + h) - at(keep - h)) / (2 * h);
      at(keep);
      worst = std::max(worst, std::abs(numeric - analytic[i]) / scale);
    }
  }
  return worst;
}

/// Parameters of a store as leaves that `gradient_error` can move.
inline std::vector<Var> leaves_of(ParameterStore& store) {
  std::vector<Var> out;
  for (Parameter* p : store.trainable()) out.push_back(p->var());
  return out;
}

/// Random values for every parameter, variances positive.
inline void randomise(ParameterStore& store) {
  std::uint64_t stream = 17;
  for (Parameter& p : store.all()) {
    std::vector<double> host = values(p.count(), stream++);
    const bool variance = p.name().ends_with("variance");
    const bool gamma = p.name().ends_with("gamma");
    for (double& v : host) v = variance ? 1.0 + 0.5 * v : (gamma ? 1.0 + 0.2 * v : 0.4 * v);
    p.value().assign(std::span<const double>(host));
    p.mark_changed();
  }
}

}  // namespace thaw::test
