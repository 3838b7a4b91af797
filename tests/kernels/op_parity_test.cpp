// Every op case on every usable backend and every dtype that it supports, against the reference backend in f64.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <ostream>

#include "kernels/error.h"
#include "kernels/reference/reference_backend.h"
#include "tests/kernels/op_cases.h"
#ifdef THAW_EMULATION
#include "kernels/cuda/emulation/order.h"
#endif

namespace thaw::tests {

namespace {

/// |found - expected| <= absolute * rms(expected) + relative * |expected|. The root mean square stands for the size of
/// the terms that were added, so that a cancellation is judged by them.
struct Tolerance {
  double absolute;
  double relative;
};

Tolerance tolerance_of(Dtype dtype) {
  switch (dtype) {
    case Dtype::f64: return {1e-12, 1e-12};
    // Rounding to 8 bits costs 2^-9, and a fused call may round the pre-activation as well as its result.
    case Dtype::bf16: return {0x1p-8, 0x1p-8};
    default: return {1e-5, 1e-5};
  }
}

double root_mean_square(const std::vector<double>& values) {
  double sum = 0;
  double count = 1e-9;
  for (const double value : values) {
    if (!std::isfinite(value)) continue;
    sum += value * value;
    count += 1;
  }
  return std::sqrt(sum / count);
}

bool agree(double expected, double found, const Tolerance& tolerance, double size) {
  if (std::isnan(expected) || std::isnan(found)) return std::isnan(expected) && std::isnan(found);
  if (expected == found) return true;
  return std::abs(expected - found) <= tolerance.absolute * size + tolerance.relative * std::abs(expected);
}

/// Says where the first difference is; empty where the results agree.
std::string compare(const OpResult& expected, const OpResult& found, bool exactly, Dtype tested) {
  // A double result of f32 work (a sum of squares) is as good as f32.
  Tolerance tolerance = tolerance_of(found.dtype == Dtype::f64 ? master_dtype(tested) : found.dtype);
  // A filter's gradient in a bf16 network is added up in f32 in any order, also after Winograd.
  if (tested == Dtype::bf16 && found.dtype == Dtype::f32) tolerance = {5e-5, 1e-5};
  if (exactly || found.dtype == Dtype::i32) tolerance = {0, 0};
  const std::vector<double> rounded = decode(found.dtype, encode(found.dtype, expected.values));
  // Operands are about 1: results that cancel to less than a tenth are judged as a tenth.
  const double size = std::max(root_mean_square(expected.values), 0.1);
  std::size_t wrong = 0;
  std::string first;
  for (std::size_t i = 0; i < rounded.size(); ++i) {
    const double wanted = exactly ? rounded[i] : expected.values[i];
    if (agree(wanted, found.values[i], tolerance, size)) continue;
    if (++wrong > 1) continue;
    first = fmt::format("'{}'[{}] is {}, expected {}", found.name, i, found.values[i], wanted);
  }
  return wrong == 0 ? "" : fmt::format("{} ({} of {} elements differ, rms {})", first, wrong, rounded.size(), size);
}

struct Setting {
  std::string device;
  Dtype dtype;
  std::string family;
};

std::ostream& operator<<(std::ostream& out, const Setting& setting) {
  return out << fmt::format("{} {} {}", setting.device, name_of(setting.dtype), setting.family);
}

std::string setting_name(const testing::TestParamInfo<Setting>& info) {
  return fmt::format("{}_{}_{}", info.param.device, name_of(info.param.dtype), info.param.family);
}

std::vector<Setting> settings() {
  std::vector<Setting> out;
  for (const DeviceInfo& device : devices()) {
    if (!device.usable) continue;
#ifdef THAW_ONLY_DEVICE
    if (device.backend != THAW_ONLY_DEVICE) continue;
#endif
    const auto backend = make_backend(device.backend);
    for (const Dtype dtype : {Dtype::f32, Dtype::bf16}) {
      if (!backend->supports(dtype)) continue;
      const auto cases = op_cases(dtype);
      for (const auto& family : op_families()) {
        if (family == "photos" && !backend->can_resize()) continue;  // resized where they are decoded
        // Master-typed families have cases for f32 only.
        const bool any = std::any_of(cases.begin(), cases.end(), [&](const OpCase& op) { return op.family == family; });
        if (any) out.push_back({device.backend, dtype, family});
      }
    }
  }
  return out;
}

class OpParity : public testing::TestWithParam<Setting> {
 protected:
  OpParity() : backend_(make_backend(GetParam().device, options())), oracle_({.poison = true}) {}

  /// `THAW_TEST_AUTOTUNE` is set by scripts/gpu_check.
  static BackendOptions options() { return {.poison = true, .autotune = std::getenv("THAW_TEST_AUTOTUNE") != nullptr}; }

  /// One case with one kind of numbers: the oracle's run, the backend's, and the backend's again. The emulation's
  /// kernels run backwards then, as none may depend on the order of its blocks and threads.
  void compare_case(const OpCase& op, Fill fill) {
    const Dtype dtype = GetParam().dtype;
    OpRun expected_run(oracle_, op.name, dtype, Dtype::f64, fill);
    op.run(expected_run);
    OpRun run(*backend_, op.name, dtype, dtype, fill);
    op.run(run);
#ifdef THAW_EMULATION
    const cuda::emulation::Backwards backwards;
#endif
    OpRun second(*backend_, op.name, dtype, dtype, fill);
    op.run(second);

    const auto expected = expected_run.results();
    const auto found = run.results();
    const auto again = second.results();
    EXPECT_EQ(expected_run.violations(), std::vector<std::string>{}) << "in the oracle's own run";
    EXPECT_EQ(run.violations(), std::vector<std::string>{});
    ASSERT_EQ(expected.size(), found.size());
    const bool exactly = op.exactness == OpCase::Exactness::always || fill == Fill::integers;
    for (std::size_t i = 0; i < found.size(); ++i) {
      EXPECT_EQ(compare(expected[i], found[i], exactly, dtype), "");
      EXPECT_TRUE(found[i].bytes == again[i].bytes) << "'" << found[i].name << "' differs between two equal runs";
    }
  }

  /// Runs a case, or notes that the backend does not offer it.
  void try_case(const OpCase& op) {
    try {
      compare_case(op, Fill::reals);
      if (op.exactness == OpCase::Exactness::integers) compare_case(op, Fill::integers);
    } catch (const Error& error) {
      const bool offered = std::string_view(error.what()).find("does not offer") == std::string_view::npos;
      if (offered || GetParam().device != "cuda") {
        ADD_FAILURE() << error.what();
      } else {
        not_offered_ += fmt::format("\n  {}", error.what());
      }
    }
  }

  std::shared_ptr<Backend> backend_;
  ReferenceBackend oracle_;
  std::string not_offered_;
};

}  // namespace

/// `THAW_CASE=text` runs only the cases whose name contains the text.
TEST_P(OpParity, AgreesWithTheOracleAndWithItself) {
  const char* only = std::getenv("THAW_CASE");
  int run = 0;
  for (const OpCase& op : op_cases(GetParam().dtype)) {
    if (op.family != GetParam().family) continue;
    if (only != nullptr && op.name.find(only) == std::string::npos) continue;
    SCOPED_TRACE(fmt::format("reproduce: THAW_CASE='{}' thaw_test_kernels --gtest_filter='*OpParity*{}_{}_{}'", op.name,
                             GetParam().device, name_of(GetParam().dtype), op.family));
    try_case(op);
    ++run;
  }
  if (run == 0) GTEST_SKIP() << "no case of this family contains $THAW_CASE";
  if (!not_offered_.empty() && !HasFailure()) GTEST_SKIP() << "not offered by this backend:" << not_offered_;
}

INSTANTIATE_TEST_SUITE_P(Devices, OpParity, testing::ValuesIn(settings()), setting_name);

TEST(Gradients, ThatCannotBeHadAreRefusedByEveryDevice) {
  const NormProblem norm{.rows = 4, .c = 8, .residual = true, .act = Act::hard_swish};
  const PoolProblem pool{.n = 1, .c = 8, .h = 4, .w = 4};
  std::vector<float> memory(1024);
  for (const DeviceInfo& device : devices()) {
    if (!device.usable) continue;
    const auto backend = make_backend(device.backend);
    EXPECT_THAT([&] { backend->norm_backward(norm, {.x = memory.data(), .y = memory.data(), .dy = memory.data()}); },
                testing::ThrowsMessage<Error>(testing::HasSubstr("relu6 or no activation only")))
        << device.backend;
    EXPECT_THAT([&] { backend->pool_backward(pool, memory.data(), nullptr, memory.data()); },
                testing::ThrowsMessage<Error>(testing::HasSubstr("needs the indices")))
        << device.backend;
  }
}

TEST(OpCases, NameEveryCaseOnce) {
  std::vector<std::string> names;
  for (const OpCase& op : op_cases(Dtype::f32)) names.push_back(op.name);
  std::sort(names.begin(), names.end());
  EXPECT_EQ(std::adjacent_find(names.begin(), names.end()), names.end());
  EXPECT_GT(names.size(), 150U);
}

}  // namespace thaw::tests
