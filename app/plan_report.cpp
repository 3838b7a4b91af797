#include "app/plan_report.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>

#include "app/terminal.h"

namespace thaw {

namespace {

std::string engine_text(const cuda::SurveyRow& row) {
  if (row.own_kernel) return "own kernel";
  return row.facts.engine.empty() ? "none" : row.facts.engine;
}

std::string workspace_text(std::size_t bytes) { return bytes > 0 ? bytes_text(bytes) : "-"; }

/// What is to be said of an engine in a direction.
std::string notes_text(const cuda::ConvPlanFacts& facts, ConvDirection direction) {
  std::vector<std::string> parts = facts.notes;
  if (!facts.whole) parts.emplace_back("then an epilogue");
  if (direction == ConvDirection::filter && facts.output != Dtype::f32) parts.emplace_back("cast to f32");
  return fmt::format("{}", fmt::join(parts, ", "));
}

std::string remark(const PlannedCall& planned) {
  const cuda::SurveyRow& row = planned.row;
  if (row.own_kernel) return "";
  if (row.facts.engine.empty()) return row.reason;
  return notes_text(row.facts, row.request.direction);
}

/// Every engine of a request below its call, those that are not taken indented.
void add_engines(Table& table, const cuda::SurveyRow& row) {
  for (const cuda::ConvPlanFacts& facts : row.engines) {
    if (facts.engine == row.facts.engine) continue;
    table.add({"", "", "", "", "  " + facts.engine, workspace_text(facts.workspace_bytes),
               notes_text(facts, row.request.direction)});
  }
}

nlohmann::json json_of(const cuda::ConvPlanFacts& facts) {
  return {{"engine", facts.engine},
          {"fused", facts.whole},
          {"output", name_of(facts.output)},
          {"workspace_bytes", facts.workspace_bytes},
          {"notes", facts.notes}};
}

nlohmann::json json_of(const PlannedCall& planned) {
  const cuda::SurveyRow& row = planned.row;
  nlohmann::json out = {{"problem", row.request.problem.text()},
                        {"direction", name_of(row.request.direction)},
                        {"part", planned.prefix ? "prefix" : "step"},
                        {"count", planned.call.count},
                        {"engine", nullptr},
                        {"own_kernel", row.own_kernel},
                        {"fused", row.facts.whole},
                        {"output", name_of(row.facts.output)},
                        {"workspace_bytes", row.facts.workspace_bytes},
                        {"notes", row.facts.notes},
                        {"reason", row.reason},
                        {"engines", nlohmann::json::array()}};
  if (!row.facts.engine.empty()) out["engine"] = row.facts.engine;
  for (const cuda::ConvPlanFacts& facts : row.engines) out["engines"].push_back(json_of(facts));
  return out;
}

nlohmann::json json_of(const PlannedNorm& planned) {
  const cuda::NormSurveyRow& row = planned.row;
  nlohmann::json out = {{"problem", row.request.problem.text()},
                        {"direction", cuda::name_of(row.request.direction)},
                        {"part", planned.prefix ? "prefix" : "step"},
                        {"count", planned.call.count},
                        {"engine", nullptr},
                        {"own_kernel", row.facts.engine.empty()},
                        {"workspace_bytes", row.facts.workspace_bytes},
                        {"notes", row.facts.notes},
                        {"reason", row.reason}};
  if (!row.facts.engine.empty()) out["engine"] = row.facts.engine;
  return out;
}

void add_norm(Table& table, const PlannedNorm& planned) {
  const cuda::NormSurveyRow& row = planned.row;
  const bool own = row.facts.engine.empty();
  table.add({planned.prefix ? "prefix" : "step", fmt::format("{}", planned.call.count),
             std::string(cuda::name_of(row.request.direction)), row.request.problem.text(),
             own ? "own kernel" : row.facts.engine,
             row.facts.workspace_bytes > 0 ? bytes_text(row.facts.workspace_bytes) : "-",
             own ? "" : "own kernel, unless --autotune finds this faster"});
}

template <class Calls>
nlohmann::json array_of(const Calls& calls) {
  nlohmann::json rows = nlohmann::json::array();
  for (const auto& planned : calls) rows.push_back(json_of(planned));
  return rows;
}

}  // namespace

std::size_t PlanReport::largest_scratch() const {
  std::size_t most = 0;
  for (const PlannedCall& planned : calls) {
    most = std::max(most, planned.row.scratch_bytes(planned.call.casts_filter));
  }
  return most;
}

std::size_t PlanReport::without_engine() const {
  return static_cast<std::size_t>(
      std::count_if(calls.begin(), calls.end(), [](const PlannedCall& p) { return !p.row.possible(); }));
}

std::string to_table(const PlanReport& report) {
  Table table({"part", ">calls", "direction", "problem", "engine", ">workspace", "remark"});
  for (const PlannedCall& planned : report.calls) {
    const cuda::SurveyRow& row = planned.row;
    table.add({planned.prefix ? "prefix" : "step", fmt::format("{}", planned.call.count),
               std::string(name_of(row.request.direction)), row.request.problem.text(), engine_text(row),
               workspace_text(row.facts.workspace_bytes), remark(planned)});
    add_engines(table, row);
  }
  for (const PlannedNorm& planned : report.norms) add_norm(table, planned);
  const StepQuestion& q = report.question;
  const StepMemory& m = report.memory;
  std::string text = table.text();
  const auto line = std::back_inserter(text);
  fmt::format_to(line, "\nmodel        {} {}x{}, batch {}, {}{}\n", q.model, q.options.size, q.options.size, q.batch,
                 name_of(q.dtype), report.tf32 ? " with tensor cores (TF32)" : "");
  fmt::format_to(line, "gpu          {} with {}, {}\n", report.survey.device, bytes_text(report.survey.memory_bytes),
                 report.survey.version);
  fmt::format_to(line, "unfrozen     {} with batch norm {}; a step starts at {}\n", q.unfreeze, name_of(q.norms),
                 report.cut);
  fmt::format_to(line, "weights      {}\ngradients    {}\noptimizer    {} (Adam)\n", bytes_text(m.weights),
                 bytes_text(m.gradients), bytes_text(m.optimizer));
  if (m.filter_copies > 0) fmt::format_to(line, "filters      {} more in bf16\n", bytes_text(m.filter_copies));
  fmt::format_to(line, "activations  {} kept for the backward pass\n", bytes_text(m.saved));
  fmt::format_to(line, "workspace    {} at most, with cast filters\n", bytes_text(report.largest_scratch()));
  fmt::format_to(line, "prefix       {} at once\nstep         {} at once\n", bytes_text(m.prefix_peak),
                 bytes_text(m.step_peak));
  fmt::format_to(line, "total        {} at once, workspace included: {} beside what CUDA and kept photos take\n",
                 bytes_text(report.total()),
                 report.total() <= report.survey.memory_bytes ? "fits" : "does NOT fit; choose a smaller --batch");
  return text;
}

nlohmann::json to_json(const PlanReport& report) {
  const StepQuestion& q = report.question;
  const StepMemory& m = report.memory;
  return {{"model", q.model},
          {"size", q.options.size},
          {"batch", q.batch},
          {"dtype", name_of(q.dtype)},
          {"tf32", report.tf32},
          {"unfreeze", q.unfreeze},
          {"bn", name_of(q.norms)},
          {"cut", report.cut},
          {"gpu", report.survey.device},
          {"cudnn", report.survey.version},
          {"gpu_memory_bytes", report.survey.memory_bytes},
          {"driver", report.survey.driver},
          {"convolutions", array_of(report.calls)},
          {"norms", array_of(report.norms)},
          {"memory",
           {{"weights", m.weights},
            {"gradients", m.gradients},
            {"optimizer", m.optimizer},
            {"filter_copies", m.filter_copies},
            {"saved", m.saved},
            {"prefix_peak", m.prefix_peak},
            {"step_peak", m.step_peak},
            {"scratch", report.largest_scratch()},
            {"total", report.total()}}},
          {"fits", report.total() <= report.survey.memory_bytes},
          {"without_engine", report.without_engine()}};
}

}  // namespace thaw
