#include "tests/kernels/simd_support.h"

namespace thaw::simd_test {
namespace {

class SimdNorm : public Simd {};

TEST_P(SimdNorm, NormForwardMatchesDoubleLoops) {
  for (const auto& [rows, c] : shapes) {
    for (const Act act : all_acts) {
      for (const int mode : {0, 1, 2, 3}) {
        const NormProblem p{.rows = rows,
                            .c = c,
                            .training = (mode & 1) != 0,
                            .residual = (mode & 2) != 0,
                            .act = act,
                            .dtype = dtype_};
        SCOPED_TRACE(p.text());
        Array x = Array::random(dtype_, rows * c, 1, -2, 6);
        Array residual = Array::random(dtype_, rows * c, 2);
        Array gamma = Array::random(Dtype::f32, c, 3, 0.5, 2);
        Array beta = Array::random(Dtype::f32, c, 4);
        Array mean = Array::random(Dtype::f32, c, 5);
        Array variance = Array::random(Dtype::f32, c, 6, 0.5, 2);
        Array running_mean(Dtype::f32, c);
        Array running_variance(Dtype::f32, c);
        Array y(dtype_, rows * c);
        Scratch scratch(norm_scratch_bytes(rows, c));
        expect_same_bits({&y, &mean, &variance, &running_mean, &running_variance}, [&] {
          for (int i = 0; i < c; ++i) running_mean.set(i, 0.5);
          for (int i = 0; i < c; ++i) running_variance.set(i, 2);
          kernels_.norm_forward(p,
                                {x.data(), gamma.data(), beta.data(), residual.data(), mean.data(), variance.data(),
                                 running_mean.data(), running_variance.data(), 0.9, y.data()},
                                scratch.data());
        });
        EXPECT_TRUE(scratch.guard_intact());
        std::vector<double> expected(static_cast<std::size_t>(rows * c));
        std::vector<double> means(static_cast<std::size_t>(c));
        std::vector<double> moved(static_cast<std::size_t>(c));
        for (int i = 0; i < c; ++i) {
          double m = mean.at(i);
          double v = variance.at(i);
          if (p.training) {
            m = v = 0;
            for (std::int64_t r = 0; r < rows; ++r) m += x.at(r * c + i) / static_cast<double>(rows);
            for (std::int64_t r = 0; r < rows; ++r) {
              v += (x.at(r * c + i) - m) * (x.at(r * c + i) - m) / static_cast<double>(rows);
            }
            ASSERT_NEAR(variance.at(i), v, 3e-6 * (0.01 + v));
          }
          means[static_cast<std::size_t>(i)] = m;
          moved[static_cast<std::size_t>(i)] = p.training ? 0.5 * 0.9 + m * 0.1 : 0.5;
          for (std::int64_t r = 0; r < rows; ++r) {
            const double z = (x.at(r * c + i) - m) / std::sqrt(v + p.epsilon) * gamma.at(i) + beta.at(i);
            expected[static_cast<std::size_t>(r * c + i)] = act_value(act, p.residual ? z + residual.at(r * c + i) : z);
          }
        }
        expect_near(mean, means, Dtype::f32, 0.1, "mean");
        expect_near(running_mean, moved, Dtype::f32, 0.1, "running mean");
        // Few rows may have a variance near zero, which magnifies the rounding of the mean.
        expect_near(y, expected, dtype_, rows < 3 && p.training ? 50 : 4, "y");
      }
    }
  }
}

TEST_P(SimdNorm, NormStatisticsKeepTheirDigitsBesideALargeMean) {
  const std::int64_t rows = 5000;
  const NormProblem p{.rows = rows, .c = 3, .training = true};
  Array x(Dtype::f32, rows * 3);
  for (std::int64_t i = 0; i < rows * 3; ++i) x.set(i, 10000 + static_cast<double>(i % 7));
  Array one(Dtype::f32, 3);
  for (int i = 0; i < 3; ++i) one.set(i, 1);
  Array mean(Dtype::f32, 3);
  Array variance(Dtype::f32, 3);
  Array y(Dtype::f32, rows * 3);
  Scratch scratch(norm_scratch_bytes(rows, 3));
  kernels_.norm_forward(
      p, {x.data(), one.data(), one.data(), nullptr, mean.data(), variance.data(), nullptr, nullptr, 0.9, y.data()},
      scratch.data());
  for (int i = 0; i < 3; ++i) EXPECT_NEAR(variance.at(i), 4, 0.01);
}

TEST_P(SimdNorm, NormBackwardMatchesDoubleLoops) {
  for (const auto& [rows, c] : shapes) {
    for (const Act act : all_acts) {
      for (const int mode : {0, 1, 2, 3}) {
        const NormProblem p{.rows = rows,
                            .c = c,
                            .training = (mode & 1) != 0,
                            .residual = (mode & 2) != 0,
                            .act = act,
                            .dtype = dtype_};
        if (p.residual && (act == Act::hard_swish || act == Act::hard_sigmoid)) continue;
        SCOPED_TRACE(p.text());
        Array x = Array::random(dtype_, rows * c, 1, -4, 4);
        Array y = Array::random(dtype_, rows * c, 2);
        Array dy = Array::random(dtype_, rows * c, 3);
        Array gamma = Array::random(Dtype::f32, c, 4, 0.5, 2);
        Array beta = Array::random(Dtype::f32, c, 5);
        Array mean = Array::random(Dtype::f32, c, 6);
        Array variance = Array::random(Dtype::f32, c, 7, 0.5, 2);
        Array dx(dtype_, rows * c);
        Array dresidual(dtype_, rows * c);
        Array dgamma(Dtype::f32, c);
        Array dbeta(Dtype::f32, c);
        Scratch scratch(norm_scratch_bytes(rows, c));
        const NormBackward args{x.data(),        y.data(),  dy.data(),     gamma.data(), beta.data(),     mean.data(),
                                variance.data(), dx.data(), dgamma.data(), dbeta.data(), dresidual.data()};
        expect_same_bits({&dx, &dresidual, &dgamma, &dbeta}, [&] { kernels_.norm_backward(p, args, scratch.data()); });
        EXPECT_TRUE(scratch.guard_intact());
        const auto n = static_cast<double>(rows);
        std::vector<double> want_dx(static_cast<std::size_t>(rows * c));
        std::vector<double> want_dz(want_dx.size());
        std::vector<double> want_gamma(static_cast<std::size_t>(c));
        std::vector<double> want_beta(want_gamma.size());
        for (int i = 0; i < c; ++i) {
          const double inverse = 1 / std::sqrt(variance.at(i) + p.epsilon);
          const auto hat = [&](std::int64_t at) { return (x.at(at) - mean.at(i)) * inverse; };
          double& sum = want_beta[static_cast<std::size_t>(i)];
          double& sum_hat = want_gamma[static_cast<std::size_t>(i)];
          for (std::int64_t at = i; at < rows * c; at += c) {
            const double z = p.residual ? y.at(at) : hat(at) * gamma.at(i) + beta.at(i);
            const double dz = dy.at(at) * act_derivative(act, z);
            want_dz[static_cast<std::size_t>(at)] = dz;
            sum += dz;
            sum_hat += dz * hat(at);
          }
          for (std::int64_t at = i; at < rows * c; at += c) {
            const double mean_part = p.training ? sum / n + hat(at) * sum_hat / n : 0;
            want_dx[static_cast<std::size_t>(at)] =
                gamma.at(i) * inverse * (want_dz[static_cast<std::size_t>(at)] - mean_part);
          }
        }
        expect_near(dresidual, want_dz, dtype_, 2, "dresidual");
        expect_near(dx, want_dx, dtype_, 10, "dx");
        expect_near(dbeta, want_beta, Dtype::f32, 2 + std::sqrt(n), "dbeta");
        expect_near(dgamma, want_gamma, Dtype::f32, 4 + 4 * std::sqrt(n), "dgamma");
      }
    }
  }
}

TEST_P(SimdNorm, NormBackwardComputesWhatIsWantedOnly) {
  const std::int64_t rows = 100;
  const int c = 5;
  Array x = Array::random(dtype_, rows * c, 1);
  Array dy = Array::random(dtype_, rows * c, 2);
  Array ones(Dtype::f32, c);
  for (int i = 0; i < c; ++i) ones.set(i, 1);
  Scratch scratch(norm_scratch_bytes(rows, c));
  for (const bool training : {false, true}) {
    const NormProblem p{.rows = rows, .c = c, .training = training, .act = Act::relu, .dtype = dtype_};
    NormBackward args{x.data(), nullptr, dy.data(), ones.data(), ones.data(), ones.data(), ones.data()};
    Array dx(dtype_, rows * c);
    Array dgamma(Dtype::f32, c);
    Array dbeta(Dtype::f32, c);
    args.dx = dx.data();
    args.dgamma = dgamma.data();
    args.dbeta = dbeta.data();
    kernels_.norm_backward(p, args, scratch.data());
    Array only_dx(dtype_, rows * c);
    Array only_dbeta(Dtype::f32, c);
    args = {x.data(), nullptr, dy.data(), ones.data(), ones.data(), ones.data(), ones.data(), only_dx.data()};
    kernels_.norm_backward(p, args, scratch.data());
    args.dx = nullptr;
    args.dbeta = only_dbeta.data();
    kernels_.norm_backward(p, args, scratch.data());
    EXPECT_TRUE(only_dx.bytes() == dx.bytes());
    EXPECT_TRUE(only_dbeta.bytes() == dbeta.bytes());
  }
}

INSTANTIATE_TEST_SUITE_P(Kernels, SimdNorm,
                         testing::Combine(testing::ValuesIn(instruction_sets()),
                                          testing::Values(Dtype::f32, Dtype::bf16)),
                         name_of_case);

}  // namespace
}  // namespace thaw::simd_test
