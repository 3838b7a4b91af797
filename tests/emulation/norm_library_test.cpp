// A norm by a library that keeps what cuDNN keeps: around its plan, own kernels make of that what thaw keeps.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "kernels/cuda/cuda_backend.h"
#include "kernels/cuda/norm_calls.h"
#include "tests/emulation/empty_library.h"

namespace thaw::cuda {

namespace {

constexpr std::int64_t kRows = 37;
constexpr int kChannels = 5;
constexpr double kEpsilon = 1e-3;

/// What cuDNN's graphs compute, in double precision on the host.
class HostPlan : public NormPlan {
 public:
  explicit HostPlan(const NormProblem& problem) : NormPlan({.engine = "host", .workspace_bytes = 16}), p_(problem) {}

  void execute(cudnnContext*, const NormPointers& a, void*) const override {
    for (int c = 0; c < p_.c; ++c) {
      if (a.dy == nullptr) {
        forward(a, c);
      } else {
        backward(a, c);
      }
    }
  }

 private:
  static float read(const void* operand, std::int64_t i) { return static_cast<const float*>(operand)[i]; }
  static void write(const void* operand, std::int64_t i, double value) {
    static_cast<float*>(const_cast<void*>(operand))[i] = static_cast<float>(value);
  }
  [[nodiscard]] double act(double x) const { return p_.act == Act::relu ? std::max(x, 0.0) : x; }

  void forward(const NormPointers& a, int c) const {
    double mean = 0, variance = 0;
    for (std::int64_t row = 0; row < p_.rows; ++row) mean += read(a.x, row * p_.c + c);
    mean /= static_cast<double>(p_.rows);
    for (std::int64_t row = 0; row < p_.rows; ++row) variance += std::pow(read(a.x, row * p_.c + c) - mean, 2);
    variance /= static_cast<double>(p_.rows);
    const double inverse = 1 / std::sqrt(variance + static_cast<double>(a.epsilon));
    write(a.mean, c, mean);
    write(a.inverse, c, inverse);
    for (std::int64_t row = 0; row < p_.rows; ++row) {
      const std::int64_t i = row * p_.c + c;
      const double other = a.residual == nullptr ? 0 : static_cast<double>(read(a.residual, i));
      write(a.y, i, act(read(a.gamma, c) * (read(a.x, i) - mean) * inverse + read(a.beta, c) + other));
    }
  }

  void backward(const NormPointers& a, int c) const {
    const double mean = read(a.mean, c), inverse = read(a.inverse, c), gamma = read(a.gamma, c);
    std::vector<double> u, g;
    double dbeta = 0, dgamma = 0;
    for (std::int64_t row = 0; row < p_.rows; ++row) {
      const std::int64_t i = row * p_.c + c;
      u.push_back((read(a.x, i) - mean) * inverse);
      const bool passes = p_.act == Act::linear ||
                          (a.y != nullptr ? static_cast<double>(read(a.y, i)) : gamma * u.back() + read(a.beta, c)) > 0;
      g.push_back(passes ? read(a.dy, i) : 0);
      if (a.dresidual != nullptr) write(a.dresidual, i, g.back());
      dbeta += g.back();
      dgamma += g.back() * u.back();
    }
    write(a.dgamma, c, dgamma);
    write(a.dbeta, c, dbeta);
    for (std::int64_t row = 0; row < p_.rows; ++row) {
      const auto r = static_cast<std::size_t>(row);
      const double lost = (dbeta + u[r] * dgamma) / static_cast<double>(p_.rows);
      write(a.dx, row * p_.c + c, gamma * inverse * (g[r] - lost));
    }
  }

  NormProblem p_;
};

class EmulatedServices : public NormServices {
 public:
  void* allocate(std::size_t bytes) override { return std::aligned_alloc(256, (bytes + 255) / 256 * 256); }
  void release(void* block) noexcept override { std::free(block); }
  void finish_statistics(const NormProblem& problem, const NormForward& args, const void* inverse) override {
    finish_norm_statistics({}, problem, args, static_cast<const float*>(inverse));
  }
  void invert(const NormProblem& problem, const void* variance, void* inverse) override {
    invert_norm_deviation({}, problem, static_cast<const float*>(variance), static_cast<float*>(inverse));
  }
};

/// A library that has a plan for every norm and for nothing else.
class NormLibrary : public EmptyLibrary {
 public:
  bool norm_forward(Workspace&, const NormProblem& problem, const NormForward& args) override {
    norms_.forward(HostPlan(problem), problem, args);
    return true;
  }
  bool norm_backward(Workspace&, const NormProblem& problem, const NormBackward& args) override {
    norms_.backward(HostPlan(problem), problem, args);
    return true;
  }
  [[nodiscard]] std::int64_t plans() const override { return 17; }

 private:
  EmulatedServices services_;
  CudaNorms norms_{nullptr, services_};
};

using Numbers = std::vector<float>;

/// Everything that a norm in training reads and writes. Channel 1 hardly varies, against which epsilon is large.
struct Norm {
  static constexpr std::size_t size = kRows * kChannels;

  Norm() {
    for (std::size_t i = 0; i < size; ++i) {
      const auto wave = [i](double step) { return static_cast<float>(std::sin(step * static_cast<double>(i + 1))); };
      x[i] = i % kChannels == 1 ? 1 + 1e-3F * wave(1.3) : 3 + 2 * wave(1.3);
      residual[i] = wave(0.7);
      dy[i] = wave(2.1);
    }
  }

  /// Forward, then backward.
  void run(Backend& backend, const NormProblem& p) {
    backend.norm_forward(p, {.x = x.data(),
                             .gamma = gamma.data(),
                             .beta = beta.data(),
                             .residual = residual.data(),
                             .mean = mean.data(),
                             .variance = variance.data(),
                             .running_mean = running_mean.data(),
                             .running_variance = running_variance.data(),
                             .momentum = 0.9,
                             .y = y.data()});
    backend.norm_backward(p, {.x = x.data(),
                              .y = y.data(),
                              .dy = dy.data(),
                              .gamma = gamma.data(),
                              .beta = beta.data(),
                              .mean = mean.data(),
                              .variance = variance.data(),
                              .dx = dx.data(),
                              .dgamma = dgamma.data(),
                              .dbeta = dbeta.data(),
                              .dresidual = p.residual ? dresidual.data() : nullptr});
  }

  Numbers x = Numbers(size), residual = Numbers(size), y = Numbers(size), dy = Numbers(size), dx = Numbers(size);
  Numbers dresidual = Numbers(size);
  Numbers gamma = {1, 2, 0.5, -1, 3}, beta = {0, 0.5, -0.5, 0.25, 1};
  Numbers mean = Numbers(kChannels), variance = Numbers(kChannels);
  Numbers running_mean = {1, 2, 3, 4, 5}, running_variance = {1, 1, 2, 2, 3};
  Numbers dgamma = Numbers(kChannels), dbeta = Numbers(kChannels);
};

void expect_near(const Numbers& found, const Numbers& wanted, float tolerance, const char* what) {
  EXPECT_THAT(found, ::testing::Pointwise(::testing::FloatNear(tolerance), wanted)) << what;
}

std::unique_ptr<Library> make_norm_library(Gpu&, DeviceMemory&, const BackendOptions&) {
  return std::make_unique<NormLibrary>();
}

}  // namespace

TEST(NormLibrary, GivesTheStatisticsAndGradientsOfOwnKernels) {
  CudaBackend own(0, {}, nullptr);
  CudaBackend library(0, {}, make_norm_library);
  for (const auto& [residual, act] : {std::pair(false, Act::linear), {false, Act::relu}, {true, Act::relu}}) {
    const NormProblem problem{
        .rows = kRows, .c = kChannels, .training = true, .residual = residual, .act = act, .epsilon = kEpsilon};
    SCOPED_TRACE(problem.text());
    Norm wanted, found;
    wanted.run(own, problem);
    found.run(library, problem);
    expect_near(found.y, wanted.y, 1e-5F, "y");
    expect_near(found.mean, wanted.mean, 1e-5F, "mean");
    expect_near(found.variance, wanted.variance, 1e-5F, "variance");
    expect_near(found.running_mean, wanted.running_mean, 1e-6F, "running mean");
    expect_near(found.running_variance, wanted.running_variance, 1e-6F, "running variance");
    expect_near(found.dx, wanted.dx, 2e-4F, "dx");
    expect_near(found.dgamma, wanted.dgamma, 1e-4F, "dgamma");
    expect_near(found.dbeta, wanted.dbeta, 1e-4F, "dbeta");
    expect_near(found.dresidual, wanted.dresidual, 0, "dresidual");
  }
}

TEST(NormLibrary, NeverKeepsANegativeVariance) {
  const NormProblem problem{.rows = 4, .c = 1, .training = true, .epsilon = kEpsilon};
  const float inverse = static_cast<float>(1 / std::sqrt(kEpsilon)) * 1.000001F;  // as rounding may leave it
  float mean = 2, variance = 7, running_mean = 0, running_variance = 1;
  const NormForward args{.mean = &mean,
                         .variance = &variance,
                         .running_mean = &running_mean,
                         .running_variance = &running_variance,
                         .momentum = 0.75};
  finish_norm_statistics({}, problem, args, &inverse);
  EXPECT_EQ(variance, 0);
  EXPECT_EQ(running_mean, 0.5F);
  EXPECT_EQ(running_variance, 0.75F);
}

TEST(NormLibrary, LetsANaNBeSeen) {
  const NormProblem problem{.rows = 4, .c = 1, .training = true, .epsilon = kEpsilon};
  const float inverse = std::nanf("");
  float mean = 0, variance = 0;
  finish_norm_statistics({}, problem, {.mean = &mean, .variance = &variance}, &inverse);
  EXPECT_TRUE(std::isnan(variance));
}

}  // namespace thaw::cuda
