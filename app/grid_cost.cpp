#include "app/grid_cost.h"

#include <numeric>

#include "app/options.h"
#include "framework/training_step.h"
#include "microscope/timed_backend.h"
#include "models/zoo.h"

namespace thaw {

namespace {

using microscope::Ceilings;
using microscope::TimedBackend;

StepQuestion question_of(const TrainSettings& settings, const CostBasis& basis) {
  StepQuestion question;
  question.model = settings.model;
  question.options.size = input_size_of(settings);
  question.options.head = {
      .classes = basis.classes, .hidden = parse_widths(settings.head, "--head"), .dropout = settings.dropout};
  question.options.master = master_dtype(basis.dtype);
  question.unfreeze = settings.unfreeze;
  question.norms = settings.norm_mode();
  question.reading.keras_rescaling = parse_switch(settings.keras_rescaling, "--keras-rescaling");
  question.batch = settings.batch;
  question.dtype = basis.dtype;
  question.as_cuda = basis.on_cuda;
  return question;
}

/// Counts what a network asks for.
class Counter {
 public:
  Counter(const StepQuestion& question, const Ceilings& roof)
      : roof_(roof),
        backend_(std::make_shared<TimedBackend>(std::make_shared<RecordingBackend>())),
        network_(build_model(question.model, backend_, question.options)) {
    apply_selection(*network_, select_layers(*network_, question.unfreeze, question.reading), question.norms);
    context_.backend = backend_;
    context_.dtype = question.dtype;
    x_ = network_->input(
        context_, Tensor::empty(backend_, {question.batch, network_->size, network_->size, 3}, context_.master()));
  }

  void count(TrainingCost& cost) {
    const std::size_t cut = network_->cut();
    Var x = x_;
    for (std::size_t stage = 0; stage < cut; ++stage) {
      cost.prefix_seconds.push_back(seconds_of([&] { x = network_->forward(context_, x, stage, stage + 1); }));
    }
    const Tensor row = x.value();
    cost.row_bytes = row.bytes() / static_cast<std::size_t>(row.shape()[0]);
    cost.stages = network_->stages.size();
    cost.evaluate_seconds = seconds_of([&] { network_->forward(context_, x, cut, network_->stages.size()); });
    const std::vector<std::int32_t> labels(static_cast<std::size_t>(row.shape()[0]), 0);
    const StepInputs inputs{.x = x,
                            .labels = Tensor::from_labels(backend_, labels),
                            .sums = make_loss_sums(backend_),
                            .cut = cut,
                            .trainable = network_->parameters.trainable(),
                            .learning_rate = 1e-3};
    const auto optimizer = make_adam();
    cost.step_seconds = seconds_of([&] { take_step(*network_, context_, inputs, *optimizer); });
    cost.trainable_parameters = network_->parameters.trainable_count();
  }

 private:
  template <class Work>
  double seconds_of(const Work& work) {
    backend_->clear();
    work();
    double seconds = 0;
    for (const auto& [problem, done] : backend_->problems) seconds += roof_.least_seconds(done.flops, done.bytes);
    return seconds;
  }

  const Ceilings& roof_;
  std::shared_ptr<TimedBackend> backend_;
  std::unique_ptr<Network> network_;
  Context context_;
  Var x_;
};

}  // namespace

double TrainingCost::prefix_from(std::size_t from) const {
  return std::accumulate(prefix_seconds.begin() + static_cast<std::ptrdiff_t>(std::min(from, prefix_seconds.size())),
                         prefix_seconds.end(), 0.0);
}

TrainingCost cost_of(const TrainSettings& settings, const CostBasis& basis) {
  const StepQuestion question = question_of(settings, basis);
  const StepRecord record = record_step(question);
  TrainingCost cost{.cut = record.cut, .cut_name = record.cut_name, .memory = record.memory};
  Counter(question, basis.roof).count(cost);
  return cost;
}

}  // namespace thaw
