#include "kernels/cpu/product_engine.h"

#include <algorithm>
#include <oneapi/dnnl/dnnl.hpp>
#include <string_view>

#include "kernels/cpu/conv_cut.h"
#include "kernels/cpu/strided.h"

namespace thaw {

namespace {

std::int64_t output_rows(const ConvProblem& p) { return std::int64_t{p.n} * p.p() * p.q(); }

/// Convolutions with large filters over few channels, like ResNet's first one: a product over windows of pixels.
bool has_windows(const ConvProblem& p) {
  const int window = p.r * p.s * p.c;
  return p.groups == 1 && p.c <= 4 && window >= 64 && window <= simd::widest_window;
}

/// Windows that the matrix unit's filter product reads, of large filters or small ones.
bool has_unit_windows(const ConvProblem& p) {
  return p.groups == 1 && p.c <= 4 && p.r * p.s * p.c <= simd::widest_window && p.s * p.c <= simd::widest_unit_window;
}

/// Numbers of a row of the product that a convolution is.
int depth_of(const ConvProblem& p) { return p.r * p.s * p.c; }

RowWalk input_walk(const ConvProblem& p) {
  if (p.r * p.s > 1) return RowWalk::windows_of(p);
  return p.stride == 1 ? RowWalk::dense(output_rows(p), p.c) : RowWalk::strided(p);
}

/// Outputs of a Winograd tile along one axis.
int tile_of(const ConvProblem& p) { return p.dtype == Dtype::bf16 ? 4 : 2; }

bool is_winograd(const ConvProblem& p) {
  return p.r == 3 && p.s == 3 && p.stride == 1 && p.groups == 1 && p.c % simd::line_depth == 0 &&
         p.k % simd::line_depth == 0 && std::max({p.pad.top, p.pad.bottom, p.pad.left, p.pad.right}) <= 2;
}

float* floats(const Scratch& scratch) { return reinterpret_cast<float*>(scratch.data()); }

}  // namespace

const MatrixUnit* matrix_unit_beside(const SimdKernels& simd) {
  const bool wanted =
      std::string_view(simd.name) == "avx512_bf16" && dnnl::get_effective_cpu_isa() == dnnl::cpu_isa::avx512_core_amx;
  return wanted ? matrix_unit() : nullptr;
}

ProductEngine::ProductEngine(std::shared_ptr<Arena> arena, const Threads& threads, const SimdKernels& simd)
    : arena_(std::move(arena)), threads_(threads), simd_(simd) {
  avx512_ = std::string_view(simd.name).starts_with("avx512");
  unit_ = matrix_unit_beside(simd);
}

bool ProductEngine::suits_unit(const ConvProblem& problem, int depth) const {
  if (unit_ == nullptr || problem.dtype != Dtype::bf16 || !(is_rows(problem) || is_strided_rows(problem))) return false;
  return simd::unit_depth(depth) >= 16;  // else half of each tile would be empty
}

bool ProductEngine::suits_unit_filter(const ConvProblem& problem) const {
  if (unit_ == nullptr || problem.dtype != Dtype::bf16) return false;
  return is_rows(problem) || is_strided_rows(problem) || has_unit_windows(problem);
}

bool ProductEngine::suits_vectors(const ConvProblem& problem) const {
  if (!avx512_) return false;
  if (problem.dtype != Dtype::bf16) return is_winograd(problem);
  if (unit_ != nullptr) return false;
  return is_rows(problem) || is_strided_rows(problem) || is_winograd(problem) || has_windows(problem);
}

bool ProductEngine::takes(const ConvProblem& problem) const {
  return suits_vectors(problem) || suits_unit(problem, problem.c);
}

bool ProductEngine::takes_data(const ConvProblem& problem) const {
  return (suits_vectors(problem) && !has_windows(problem)) || suits_unit(problem, problem.k);
}

bool ProductEngine::takes_filter(const ConvProblem& problem) const {
  return suits_vectors(problem) || suits_unit_filter(problem);
}

Scratch ProductEngine::panels_of(const PanelSource& source, bool on_unit) const {
  Scratch panels(arena_, on_unit ? matrix_unit_panel_bytes(source.depth, source.columns)
                                 : panel_floats(source.depth, source.columns) * sizeof(float));
  if (on_unit) {
    unit_->pack_panels(source, panels.data());
  } else {
    simd_.products.pack_panels(source, floats(panels));
  }
  return panels;
}

void ProductEngine::run(const RowProduct& product, bool on_unit) const {
  if (on_unit) {
    const Scratch scratch(arena_,
                          matrix_unit_scratch_bytes(product.depth) * static_cast<std::size_t>(threads_.count()));
    return unit_->row_product(product, scratch.data());
  }
  const Scratch scratch(arena_, row_product_scratch_bytes(product.depth) * static_cast<std::size_t>(threads_.count()));
  simd_.products.row_product(product, scratch.data());
}

void ProductEngine::run_winograd(const ConvProblem& problem, const float* panels, const ConvForward& args) const {
  const Scratch scratch(arena_, winograd_scratch_bytes(tile_of(problem), problem.c, problem.k) *
                                    static_cast<std::size_t>(threads_.count()));
  simd_.products.winograd_forward(tile_of(problem), problem, panels, args, scratch.data());
}

void ProductEngine::sum_rows(const ConvProblem& problem, const void* dy, float* sums) const {
  const std::int64_t rows = output_rows(problem);
  const Scratch scratch(arena_, sum_rows_scratch_bytes(rows, problem.k));
  simd_.sum_rows(problem.dtype, rows, problem.k, dy, sums, scratch.data());
}

Scratch ProductEngine::winograd_filter(const ConvProblem& problem, const float* w, bool turned) const {
  const int depth = turned ? problem.k : problem.c;
  const int columns = turned ? problem.c : problem.k;
  Scratch panels(arena_, winograd_filter_floats(tile_of(problem), depth, columns) * sizeof(float));
  simd_.products.winograd_filter(tile_of(problem), problem, w, turned, floats(panels));
  return panels;
}

Scratch ProductEngine::pack(const ConvProblem& problem, const float* w) const {
  if (is_winograd(problem)) return winograd_filter(problem, w, false);
  const int depth = depth_of(problem);
  return panels_of({w, depth, problem.k, 1, depth}, suits_unit(problem, problem.c));
}

void ProductEngine::forward_packed(const ConvProblem& problem, const void* panels, const ConvForward& args) const {
  if (is_winograd(problem)) return run_winograd(problem, static_cast<const float*>(panels), args);
  run({.rows = output_rows(problem),
       .depth = depth_of(problem),
       .columns = problem.k,
       .dtype = problem.dtype,
       .walk = input_walk(problem),
       .a = args.x,
       .panels = panels,
       .bias = problem.bias ? static_cast<const float*>(args.bias) : nullptr,
       .residual = problem.residual ? args.residual : nullptr,
       .act = problem.act,
       .y = args.y},
      suits_unit(problem, problem.c));
}

void ProductEngine::forward(const ConvProblem& problem, const ConvForward& args) const {
  const Scratch panels = pack(problem, static_cast<const float*>(args.w));
  forward_packed(problem, panels.data(), args);
}

void ProductEngine::backward_data(const ConvProblem& problem, const void* w, const void* dy, void* dx) const {
  if (is_winograd(problem)) {
    const Scratch filter = winograd_filter(problem, static_cast<const float*>(w), true);
    return run_winograd(input_gradient(problem), floats(filter), {.x = dy, .y = dx});
  }
  const bool on_unit = suits_unit(problem, problem.k);
  const Scratch panels = panels_of({static_cast<const float*>(w), problem.k, problem.c, problem.c, 1}, on_unit);
  const std::int64_t rows = output_rows(problem);
  const bool dense = problem.stride == 1;
  const Scratch compact(
      arena_,
      dense ? 0 : static_cast<std::size_t>(rows) * static_cast<std::size_t>(problem.c) * size_of(problem.dtype));
  run({.rows = rows,
       .depth = problem.k,
       .columns = problem.c,
       .dtype = problem.dtype,
       .walk = RowWalk::dense(rows, problem.k),
       .a = dy,
       .panels = panels.data(),
       .y = dense ? dx : compact.data()},
      on_unit);
  if (!dense) scatter_pixels(problem, compact.data(), static_cast<std::byte*>(dx));
}

void ProductEngine::backward_filter(const ConvProblem& problem, const void* x, const void* dy, void* dw,
                                    void* dbias) const {
  if (is_winograd(problem)) {
    if (dbias != nullptr) sum_rows(problem, dy, static_cast<float*>(dbias));
    const int tile = tile_of(problem);
    const Scratch scratch(arena_, winograd_filter_scratch(tile, problem).bytes());
    return simd_.products.winograd_filter_gradient(tile, problem, x, dy, static_cast<float*>(dw), scratch.data());
  }
  const bool on_unit = suits_unit_filter(problem);
  const int depth = depth_of(problem);
  const std::size_t shard =
      on_unit ? matrix_unit_filter_scratch_bytes(depth, problem.k) : filter_product_scratch_bytes(depth, problem.k);
  const Scratch scratch(arena_, shard * threads_.shards());
  const auto& product = on_unit ? unit_->filter_product : simd_.products.filter_product;
  product({.rows = output_rows(problem),
           .c = depth,
           .k = problem.k,
           .dtype = problem.dtype,
           .walk = input_walk(problem),
           .x = x,
           .dy = dy,
           .dw = static_cast<float*>(dw),
           .dbias = static_cast<float*>(dbias),
           .shards = threads_.shards()},
          scratch.data());
}

}  // namespace thaw
