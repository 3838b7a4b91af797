#include "grid/report_sentences.h"

namespace thaw::grid {

std::vector<std::string> remarks_of(const GridReport& report) {
  bool finished = false, evaluated = false, several = false, published = false, prefix = false;
  for (const ModelReport& model : report.models) {
    for (const ReportRow& row : model.rows) {
      finished = finished || row.finished();
      evaluated = evaluated || row.train_evaluated;
      several = several || (row.test && row.test->count > 1);
      published = published || row.published;
      prefix = prefix || (row.prefix_seconds && row.prefix_seconds->mean > 0);
    }
  }
  std::vector<std::string> remarks;
  if (!finished) return remarks;
  remarks.emplace_back("Accuracies are percent, behind the last epoch.");
  remarks.emplace_back(
      "Train accuracy is Keras' running mean over the epoch's steps: in training mode, with dropout, while "
      "the weights still move. It can lie below validation accuracy.");
  if (evaluated)
    remarks.emplace_back("Inference mode: all training photos once more, with the weights of the epoch's end.");
  if (several)
    remarks.emplace_back("Behind ± stands the standard deviation of the sample over the seeds that are finished.");
  if (published) remarks.emplace_back("Differences are ours minus the published value, in points.");
  if (prefix)
    remarks.emplace_back(
        "A frozen part takes its time where it was computed; experiments that share it find it ready.");
  return remarks;
}

}  // namespace thaw::grid
