#include "kernels/cuda/norm_calls.h"

namespace thaw::cuda {

namespace {

std::size_t channel_bytes(const NormProblem& problem) { return static_cast<std::size_t>(problem.c) * sizeof(float); }

}  // namespace

bool CudaNorms::takes(const NormProblem&, const NormForward& args) { return args.y != nullptr; }

bool CudaNorms::takes(const NormProblem& problem, const NormBackward& args) {
  return args.x != nullptr && args.dx != nullptr && (!problem.residual || args.dresidual != nullptr);
}

void CudaNorms::forward(const NormPlan& plan, const NormProblem& problem, const NormForward& args) {
  const Scratch inverse(services_, channel_bytes(problem));
  const Scratch workspace(services_, plan.facts().workspace_bytes);
  plan.execute(handle_,
               {.x = args.x,
                .gamma = args.gamma,
                .beta = args.beta,
                .residual = problem.residual ? args.residual : nullptr,
                .y = args.y,
                .mean = args.mean,
                .inverse = inverse.get(),
                .epsilon = static_cast<float>(problem.epsilon)},
               workspace.get());
  services_.finish_statistics(problem, args, inverse.get());
}

void CudaNorms::backward(const NormPlan& plan, const NormProblem& problem, const NormBackward& args) {
  const Scratch inverse(services_, channel_bytes(problem));
  const Scratch dgamma(services_, args.dgamma == nullptr ? channel_bytes(problem) : 0);
  const Scratch dbeta(services_, args.dbeta == nullptr ? channel_bytes(problem) : 0);
  const Scratch workspace(services_, plan.facts().workspace_bytes);
  services_.invert(problem, args.variance, inverse.get());
  NormPointers pointers{.x = args.x, .gamma = args.gamma, .mean = args.mean, .inverse = inverse.get(), .dy = args.dy};
  if (problem.residual) {
    pointers.y = args.y;
    pointers.dresidual = args.dresidual;
  } else if (problem.act != Act::linear) {
    pointers.beta = args.beta;
  }
  pointers.dx = args.dx;
  pointers.dgamma = args.dgamma == nullptr ? dgamma.get() : args.dgamma;
  pointers.dbeta = args.dbeta == nullptr ? dbeta.get() : args.dbeta;
  plan.execute(handle_, pointers, workspace.get());
}

}  // namespace thaw::cuda
