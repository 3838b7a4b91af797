#include "kernels/cuda/dense_products.h"

#include <algorithm>
#include <memory>
#include <type_traits>

#include "kernels/cuda/kernels.h"
#include "kernels/error.h"

namespace thaw::cuda {

namespace {

constexpr std::size_t kWorkspaceBytes = std::size_t{32} << 20;  // what NVIDIA advises from Hopper on

void check_lt(cublasStatus_t status, const char* call) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  fail(ErrorKind::device, "[cuda] {} failed: {} ({}); run with --device cpu, or look at `thaw devices`", call,
       cublasLtGetStatusString(status), cublasLtGetStatusName(status));
}

#define THAW_LT(call) check_lt(call, #call)

template <auto destroy>
struct Destroy {
  template <class T>
  void operator()(T* object) const {
    destroy(object);
  }
};

template <class T, auto destroy>
using Handle = std::unique_ptr<std::remove_pointer_t<T>, Destroy<destroy>>;

using Layout = Handle<cublasLtMatrixLayout_t, cublasLtMatrixLayoutDestroy>;
using Description = Handle<cublasLtMatmulDesc_t, cublasLtMatmulDescDestroy>;
using Preference = Handle<cublasLtMatmulPreference_t, cublasLtMatmulPreferenceDestroy>;

cudaDataType_t type_of(Dtype dtype) { return dtype == Dtype::bf16 ? CUDA_R_16BF : CUDA_R_32F; }

/// Column-major, as cuBLAS has it: a row-major (rows, columns) array is a (columns, rows) matrix there.
Layout layout_of(Dtype dtype, std::int64_t rows, std::int64_t columns) {
  cublasLtMatrixLayout_t layout = nullptr;
  THAW_LT(cublasLtMatrixLayoutCreate(&layout, type_of(dtype), static_cast<std::uint64_t>(rows),
                                     static_cast<std::uint64_t>(columns), rows));
  return Layout(layout);
}

/// The largest power of two up to 256 that divides an address.
std::uint32_t alignment_of(const void* pointer) {
  const auto address = reinterpret_cast<std::uintptr_t>(pointer);
  return static_cast<std::uint32_t>(std::min<std::uintptr_t>(address & (~address + 1), 256));
}

}  // namespace

/// D (m,n) = op(A) B' with inner size k, all column-major; bias by rows of D.
struct DenseProducts::Product {
  Dtype in;
  Dtype out;
  std::int64_t m, n, k;
  bool transpose_a, transpose_b;
  const void* a;
  const void* b;
  void* d;
  cublasLtEpilogue_t epilogue = CUBLASLT_EPILOGUE_DEFAULT;
  const float* bias = nullptr;

  [[nodiscard]] std::string key() const {
    return fmt::format("{}{}m{}n{}k{}{}{}e{}a{}.{}.{}", name_of(in), name_of(out), m, n, k, transpose_a ? 't' : 'n',
                       transpose_b ? 't' : 'n', static_cast<int>(epilogue), alignment_of(a), alignment_of(b),
                       alignment_of(d));
  }
};

struct DenseProducts::Plan {
  Description description;
  Layout a, b, d;
  cublasLtMatmulAlgo_t algorithm = {};
  bool found = false;
};

DenseProducts::DenseProducts(Gpu& gpu, DeviceMemory& memory, bool tf32)
    : gpu_(gpu), compute_(tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F), memory_(memory) {
  THAW_LT(cublasLtCreate(&handle_));
  workspace_ = Block(memory, kWorkspaceBytes);
}

DenseProducts::~DenseProducts() {
  plans_.clear();
  cublasLtDestroy(handle_);
}

bool DenseProducts::multiply(const Product& product) {
  const auto [found, fresh] = plans_.try_emplace(product.key());
  Plan& plan = found->second;
  if (fresh) {
    const auto set = [&plan](cublasLtMatmulDescAttributes_t attribute, const auto& value) {
      THAW_LT(cublasLtMatmulDescSetAttribute(plan.description.get(), attribute, &value, sizeof value));
    };
    cublasLtMatmulDesc_t description = nullptr;
    // bf16 products are exact in f32, so only f32 operands have a choice of precision.
    THAW_LT(
        cublasLtMatmulDescCreate(&description, product.in == Dtype::f32 ? compute_ : CUBLAS_COMPUTE_32F, CUDA_R_32F));
    plan.description.reset(description);
    set(CUBLASLT_MATMUL_DESC_TRANSA, product.transpose_a ? CUBLAS_OP_T : CUBLAS_OP_N);
    set(CUBLASLT_MATMUL_DESC_TRANSB, product.transpose_b ? CUBLAS_OP_T : CUBLAS_OP_N);
    set(CUBLASLT_MATMUL_DESC_EPILOGUE, product.epilogue);
    plan.a =
        product.transpose_a ? layout_of(product.in, product.k, product.m) : layout_of(product.in, product.m, product.k);
    plan.b =
        product.transpose_b ? layout_of(product.in, product.n, product.k) : layout_of(product.in, product.k, product.n);
    plan.d = layout_of(product.out, product.m, product.n);
    cublasLtMatmulPreference_t made = nullptr;
    THAW_LT(cublasLtMatmulPreferenceCreate(&made));
    const Preference preference(made);
    const auto prefer = [&preference](cublasLtMatmulPreferenceAttributes_t attribute, auto value) {
      THAW_LT(cublasLtMatmulPreferenceSetAttribute(preference.get(), attribute, &value, sizeof value));
    };
    prefer(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, std::uint64_t{kWorkspaceBytes});
    prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, alignment_of(product.a));
    prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, alignment_of(product.b));
    prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, alignment_of(product.d));
    prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, alignment_of(product.d));
    cublasLtMatmulHeuristicResult_t result = {};
    int results = 0;
    const cublasStatus_t status =
        cublasLtMatmulAlgoGetHeuristic(handle_, plan.description.get(), plan.a.get(), plan.b.get(), plan.d.get(),
                                       plan.d.get(), preference.get(), 1, &result, &results);
    if (status != CUBLAS_STATUS_NOT_SUPPORTED) check_lt(status, "cublasLtMatmulAlgoGetHeuristic");
    plan.found = status == CUBLAS_STATUS_SUCCESS && results > 0;
    plan.algorithm = result.algo;
  }
  if (!plan.found) return false;
  if (product.bias != nullptr) {
    THAW_LT(cublasLtMatmulDescSetAttribute(plan.description.get(), CUBLASLT_MATMUL_DESC_BIAS_POINTER, &product.bias,
                                           sizeof product.bias));
  }
  const float one = 1;
  const float zero = 0;
  THAW_LT(cublasLtMatmul(handle_, plan.description.get(), &one, product.a, plan.a.get(), product.b, plan.b.get(), &zero,
                         product.d, plan.d.get(), product.d, plan.d.get(), &plan.algorithm, workspace_.data(),
                         workspace_.bytes(), gpu_.stream()));
  return true;
}

bool DenseProducts::forward(const DenseProblem& problem, const void* x, const void* weights, const float* bias,
                            void* y) {
  const float* shift = problem.bias ? bias : nullptr;
  Product product{.in = problem.dtype,
                  .out = Dtype::f32,
                  .m = problem.k,
                  .n = problem.n,
                  .k = problem.c,
                  .transpose_a = true,
                  .transpose_b = false,
                  .a = weights,
                  .b = x,
                  .d = y};
  const bool fusible = problem.act == Act::linear || problem.act == Act::relu;
  if (problem.dtype == Dtype::f32 && fusible) {
    const bool relu = problem.act == Act::relu;
    product.bias = shift;
    product.epilogue = shift != nullptr ? (relu ? CUBLASLT_EPILOGUE_RELU_BIAS : CUBLASLT_EPILOGUE_BIAS)
                                        : (relu ? CUBLASLT_EPILOGUE_RELU : CUBLASLT_EPILOGUE_DEFAULT);
    return multiply(product);
  }
  // The sums stay f32 until bias and activation have been applied: one rounding.
  const Block sums(memory_, static_cast<std::size_t>(problem.n) * static_cast<std::size_t>(problem.k) * sizeof(float));
  product.d = sums.data();
  if (!multiply(product)) return false;
  finish_sums(gpu_.stream(), problem.act, problem.dtype, problem.n, problem.k, static_cast<const float*>(sums.data()),
              shift, y);
  return true;
}

bool DenseProducts::backward_data(const DenseProblem& problem, const void* weights, const void* dy, void* dx) {
  return multiply({.in = problem.dtype,
                   .out = problem.dtype,
                   .m = problem.c,
                   .n = problem.n,
                   .k = problem.k,
                   .transpose_a = false,
                   .transpose_b = false,
                   .a = weights,
                   .b = dy,
                   .d = dx});
}

bool DenseProducts::backward_weights(const DenseProblem& problem, const void* x, const void* dy, float* dw) {
  return multiply({.in = problem.dtype,
                   .out = Dtype::f32,
                   .m = problem.c,
                   .n = problem.k,
                   .k = problem.n,
                   .transpose_a = false,
                   .transpose_b = true,
                   .a = x,
                   .b = dy,
                   .d = dw});
}

}  // namespace thaw::cuda
