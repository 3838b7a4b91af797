#include "grid/report.h"

#include <algorithm>

#include "grid/report_findings.h"
#include "grid/report_rows.h"
#include "grid/report_sentences.h"
#include "grid/report_settings.h"

namespace thaw::grid {

namespace {

void find_best_overall(GridReport& report) {
  for (const ModelReport& model : report.models) {
    if (model.best && (!report.best_test || model.best->test > *report.best_test)) report.best_test = model.best->test;
  }
  for (std::size_t i = 0; i < report.models.size(); ++i) {
    const std::optional<Best>& best = report.models[i].best;
    if (!best || *report.best_test - best->test > 1e-9) continue;
    for (const std::size_t row : best->rows) report.best.push_back({.model = i, .row = row});
  }
}

}  // namespace

GridReport make_report(const GridRecord& record) {
  GridReport report;
  const SettingsSplit settings = split_settings(record.experiments);
  report.models = collect_rows(record.experiments, settings);
  report.varied = settings.varied;
  report.common = settings.common;
  for (ModelReport& model : report.models) find_in_model(model, record.published);
  find_best_overall(report);
  report.time_ratio = find_time_ratio(report.models, record.published);
  report.provenance = provenance_of(record.experiments);
  report.notices = notices_of(record);
  report.record = record;
  for (ExperimentRecord& experiment : report.record.experiments) {
    ++report.states[experiment.state];
    experiment.history.clear();
  }
  report.findings = findings_of(report);
  report.remarks = remarks_of(report);
  return report;
}

}  // namespace thaw::grid
