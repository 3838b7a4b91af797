#include "kernels/cpu/conv_kernels.h"

#include <cfenv>
#include <limits>
#include <utility>

namespace thaw {

namespace {

using dnnl::memory;
using onednn::Kernel;

constexpr auto kDirect = dnnl::algorithm::convolution_direct;

/// Denormal numbers are numbers on the calling thread while it lives.
class DenormalScope {
 public:
  DenormalScope() {
    std::fegetenv(&before_);
    std::fesetenv(FE_DFL_ENV);
  }
  ~DenormalScope() { std::fesetenv(&before_); }
  DenormalScope(const DenormalScope&) = delete;
  DenormalScope& operator=(const DenormalScope&) = delete;

 private:
  std::fenv_t before_;
};

/// Residual (already in y) and activation. oneDNN's plain relu is max(x, 0), which hides a NaN; the leaky one keeps it.
/// The smallest denormal as its slope is not 0 for oneDNN, but is 0 for the backend's threads, which flush denormals.
dnnl::primitive_attr forward_attributes(const ConvProblem& problem) {
  dnnl::post_ops operations;
  if (problem.residual) operations.append_sum(1.0F);
  if (problem.act == Act::relu) {
    operations.append_eltwise(1.0F, dnnl::algorithm::eltwise_relu, std::numeric_limits<float>::denorm_min(), 0.0F);
  } else if (problem.act == Act::hard_swish) {
    operations.append_eltwise(1.0F, dnnl::algorithm::eltwise_hardswish, 0.0F, 0.0F);
  }
  dnnl::primitive_attr attributes = onednn::user_scratchpad();
  attributes.set_post_ops(operations);
  return attributes;
}

template <class Description>
ConvKernel made(const Description& description, Kernel kernel) {
  kernel.scratchpad = description.scratchpad_desc();
  return {std::move(kernel), description.impl_info_str()};
}

dnnl::convolution_forward::primitive_desc forward_description(const dnnl::engine& engine, const ConvProblem& p,
                                                              const memory::desc& filter) {
  const auto [strides, begin, end] = onednn::window(p);
  memory::desc bias;
  if (p.bias) bias = {{p.k}, memory::data_type::f32, memory::format_tag::a};
  const dnnl::convolution_forward::desc operation(dnnl::prop_kind::forward_training, kDirect, onednn::input_desc(p),
                                                  filter, bias, onednn::output_desc(p), strides, begin, end);
  return {operation, forward_attributes(p), engine};
}

}  // namespace

ConvKernel make_forward(const dnnl::engine& engine, const ConvProblem& p, const memory::desc& filter) {
  const DenormalScope denormals;
  const auto description = forward_description(engine, p, filter);
  return made(description, {dnnl::convolution_forward(description),
                            {{DNNL_ARG_SRC, description.src_desc()},
                             {DNNL_ARG_WEIGHTS, description.weights_desc()},
                             {DNNL_ARG_BIAS, description.bias_desc()},
                             {DNNL_ARG_DST, description.dst_desc()}},
                            {}});
}

ConvKernel make_data(const dnnl::engine& engine, const ConvProblem& p, const memory::desc& filter) {
  const auto [strides, begin, end] = onednn::window(p);
  const auto hint = forward_description(engine, p, onednn::any_filter(p, onednn::data_type(p.dtype)));
  const dnnl::convolution_backward_data::desc operation(kDirect, onednn::input_desc(p), filter, onednn::output_desc(p),
                                                        strides, begin, end);
  const dnnl::convolution_backward_data::primitive_desc description(operation, onednn::user_scratchpad(), engine, hint);
  return made(description, {dnnl::convolution_backward_data(description),
                            {{DNNL_ARG_DIFF_SRC, description.diff_src_desc()},
                             {DNNL_ARG_WEIGHTS, description.weights_desc()},
                             {DNNL_ARG_DIFF_DST, description.diff_dst_desc()}},
                            {}});
}

ConvKernel make_filter(const dnnl::engine& engine, const ConvProblem& p, const memory::desc& filter) {
  const auto [strides, begin, end] = onednn::window(p);
  const auto hint = forward_description(engine, p, onednn::any_filter(p, onednn::data_type(p.dtype)));
  const dnnl::convolution_backward_weights::desc operation(kDirect, onednn::input_desc(p), filter,
                                                           onednn::output_desc(p), strides, begin, end);
  const dnnl::convolution_backward_weights::primitive_desc description(operation, onednn::user_scratchpad(), engine,
                                                                       hint);
  return made(description, {dnnl::convolution_backward_weights(description),
                            {{DNNL_ARG_SRC, description.src_desc()},
                             {DNNL_ARG_DIFF_WEIGHTS, description.diff_weights_desc()},
                             {DNNL_ARG_DIFF_DST, description.diff_dst_desc()}},
                            {}});
}

ConvKernel make_filter_matmul(const dnnl::engine& engine, const ConvProblem& p, const memory::desc&) {
  const auto type = onednn::data_type(p.dtype);
  const dnnl::matmul::desc operation({{p.k, p.w}, type, memory::format_tag::ba},
                                     {{p.w, p.c}, type, memory::format_tag::ab},
                                     {{p.k, p.c}, memory::data_type::f32, memory::format_tag::ab});
  const dnnl::matmul::primitive_desc description(operation, onednn::user_scratchpad(), engine);
  return made(description, {dnnl::matmul(description),
                            {{DNNL_ARG_SRC, description.src_desc()},
                             {DNNL_ARG_WEIGHTS, description.weights_desc()},
                             {DNNL_ARG_DST, description.dst_desc()}},
                            {}});
}

}  // namespace thaw
