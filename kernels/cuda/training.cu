#include <cmath>

#include "kernels/cuda/kernels.h"
#include "kernels/cuda/vectors.h"

namespace thaw::cuda {

namespace {

using Index = std::int64_t;

constexpr int kImages = 256;  // threads of the loss kernel, each with images of its own

/// What one thread adds to the sums.
struct Found {
  double loss;
  int correct;
  int images;
  int not_finite;
};

/// One image: loss by log-sum-exp in double, probabilities and gradient where wanted.
__device__ void judge(const float* row, std::int32_t label, int classes, double gradient_scale, float* probabilities,
                      float* dlogits, Found& found) {
  int top = 0;
  for (int j = 1; j < classes; ++j) {
    if (row[j] > row[top]) top = j;
  }
  double sum = 0;
  for (int j = 0; j < classes; ++j) sum += exp(static_cast<double>(row[j]) - row[top]);
  const double log_sum = row[top] + log(sum);
  const bool known = label >= 0 && label < classes;
  const double loss = known ? log_sum - row[label] : nan("");
  found.loss += loss;
  found.correct += top == label ? 1 : 0;
  found.images += 1;
  found.not_finite += loss - loss == 0 ? 0 : 1;
  if (probabilities == nullptr && dlogits == nullptr) return;
  for (int j = 0; j < classes; ++j) {
    const double probability = exp(row[j] - log_sum);
    if (probabilities != nullptr) probabilities[j] = static_cast<float>(probability);
    if (dlogits != nullptr) {
      dlogits[j] = static_cast<float>((probability - (j == label ? 1.0 : 0.0)) * gradient_scale);
    }
  }
}

/// One block: a batch has few images and fewer classes, and the sums have one order.
__global__ void cross_entropy(int n, int classes, const float* logits, const std::int32_t* labels,
                              double gradient_scale, float* probabilities, float* dlogits, LossSums* sums) {
  __shared__ Found all[kImages];
  Found mine{0, 0, 0, 0};
  for (int image = static_cast<int>(threadIdx.x); image < n; image += kImages) {
    const Index at = Index{image} * classes;
    judge(logits + at, labels[image], classes, gradient_scale, probabilities == nullptr ? nullptr : probabilities + at,
          dlogits == nullptr ? nullptr : dlogits + at, mine);
  }
  all[threadIdx.x] = mine;
  __syncthreads();
  if (threadIdx.x != 0 || sums == nullptr) return;
  LossSums total = *sums;
  for (int i = 0; i < kImages && i < n; ++i) {
    total.loss += all[i].loss;
    total.correct += all[i].correct;
    total.images += all[i].images;
    total.not_finite += all[i].not_finite;
  }
  *sums = total;
}

// All parameters in one launch: the table of them is the kernel's argument (sm_70 and later take 32 KiB of them), and
// block b works on a piece of the slot that `first_block` gives it.

constexpr int kSlots = 384;
constexpr int kPiece = 4096;  // elements of a block

struct UpdateTable {
  ParameterUpdate updates[kSlots];
  int first_block[kSlots + 1];
  int count;
};

struct Adam {
  const float* alpha;
  float rest1, rest2, epsilon;
  __device__ void operator()(const UpdateSlot& slot, Index i) const {
    pointwise::adam(static_cast<float*>(slot.w)[i], static_cast<float*>(slot.state1)[i],
                    static_cast<float*>(slot.state2)[i], static_cast<const float*>(slot.g)[i], *alpha, rest1, rest2,
                    epsilon);
  }
};

struct Sgd {
  const float* lr;
  float momentum;
  bool nesterov;
  __device__ void operator()(const UpdateSlot& slot, Index i) const {
    float still = 0;  // without momentum there is no state to keep
    auto* state = static_cast<float*>(slot.state1);
    pointwise::sgd(static_cast<float*>(slot.w)[i], state == nullptr ? still : state[i],
                   static_cast<const float*>(slot.g)[i], *lr, momentum, nesterov);
  }
};

template <class Rule>
__global__ void update(UpdateTable table, Rule rule) {
  const auto block = static_cast<int>(blockIdx.x);
  int low = 0;
  int high = table.count;
  while (high - low > 1) {
    const int middle = (low + high) / 2;
    if (table.first_block[middle] <= block) {
      low = middle;
    } else {
      high = middle;
    }
  }
  const UpdateSlot& slot = table.updates[low].slot;
  bf16* narrow = table.updates[low].narrow;
  const Index first = Index{block - table.first_block[low]} * kPiece;
  const Index end = first + kPiece < slot.count ? first + kPiece : slot.count;
  for (Index i = first + threadIdx.x; i < end; i += blockDim.x) {
    rule(slot, i);
    if (narrow != nullptr) narrow[i] = from_float<bf16>(static_cast<const float*>(slot.w)[i]);
  }
}

template <class Rule>
void update_all(Stream stream, const char* name, std::span<const ParameterUpdate> updates, const Rule& rule) {
  for (std::size_t done = 0; done < updates.size();) {
    UpdateTable table;
    table.count = 0;
    table.first_block[0] = 0;
    for (; done < updates.size() && table.count < kSlots; ++done) {
      const Index count = updates[done].slot.count;
      if (count == 0) continue;
      table.updates[table.count] = updates[done];
      table.first_block[table.count + 1] = table.first_block[table.count] + static_cast<int>(ceil_div(count, kPiece));
      ++table.count;
    }
    if (table.count == 0) return;
    const auto blocks = static_cast<unsigned>(table.first_block[table.count]);
    launch({stream, name, {blocks, 1, 1}, {256, 1, 1}}, update<Rule>, table, rule);
  }
}

}  // namespace

void softmax_cross_entropy(Stream stream, int n, int classes, const float* logits, const std::int32_t* labels,
                           double gradient_scale, float* probabilities, float* dlogits, LossSums* sums) {
  launch({stream, "softmax_cross_entropy", {1, 1, 1}, {kImages, 1, 1}}, cross_entropy, n, classes, logits, labels,
         gradient_scale, probabilities, dlogits, sums);
}

void adam(Stream stream, std::span<const ParameterUpdate> updates, const AdamStep& step, const float* step_size) {
  update_all(stream, "adam", updates,
             Adam{step_size, static_cast<float>(1 - step.beta1), static_cast<float>(1 - step.beta2),
                  static_cast<float>(step.epsilon)});
}

void sgd(Stream stream, std::span<const ParameterUpdate> updates, const SgdStep& step, const float* step_size) {
  update_all(stream, "sgd", updates, Sgd{step_size, static_cast<float>(step.momentum), step.nesterov});
}

}  // namespace thaw::cuda
