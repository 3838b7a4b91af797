#include "microscope/ways.h"

#include <cmath>

namespace thaw::microscope {

namespace {

bool is_convolution(const Request& request) { return request.family == "conv" || request.family == "depthwise"; }

ConvTask task_of(const Request& request) {
  ConvTask task{.problem = ConvProblem::parse(request.problem)};
  if (request.direction == "dgrad") task.direction = ConvDirection::data;
  if (request.direction == "wgrad") task.direction = ConvDirection::filter;
  task.packed = request.direction == "packed";
  return task;
}

/// A case's operands are known by their names.
ConvOperands operands_of(const std::vector<std::string>& names, const std::vector<void*>& at) {
  ConvOperands out;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (names[i] == "x") out.x = at[i];
    if (names[i] == "w") out.w = at[i];
    if (names[i] == "dy") out.dy = at[i];
    if (names[i] == "bias") out.bias = at[i];
    if (names[i] == "residual") out.residual = at[i];
    if (names[i] == "y" || names[i] == "dx" || names[i] == "dw") out.out = at[i];
  }
  return out;
}

/// The case's call goes to one way of the backend; the oracle has none and answers as ever.
void go_one_way(Case& subject, const ConvTask& task, const ConvWay& way) {
  std::vector<std::string> names;
  for (const Operand& operand : subject.operands) names.push_back(operand.name);
  subject.bind = [task, way, names, usual = subject.bind](const Arguments& to) -> BoundCall {
    ConvWays* const ways = conv_ways_of(to.backend);
    return ways == nullptr ? usual(to) : ways->bind(task, way, operands_of(names, to.at));
  };
  if (way.transformed && subject.exactness == Exactness::integers) subject.exactness = Exactness::rounded;
}

bool same_problem(const Row& a, const Row& b) {
  return a.request.family == b.request.family && a.request.problem == b.request.problem &&
         a.request.direction == b.request.direction;
}

/// Of the engines that are right.
const Row* fastest_engine(const std::vector<Row>& rows, const Row& like, WhichTiming when) {
  const Row* best = nullptr;
  for (const Row& row : rows) {
    if (!row.way || row.way->own || !row.good() || !(row.*when) || !same_problem(row, like)) continue;
    if (best == nullptr || (row.*when)->seconds.median < (best->*when)->seconds.median) best = &row;
  }
  return best;
}

}  // namespace

std::vector<ConvWay> ways_of(Backend& backend, const Request& request) {
  ConvWays* const ways = is_convolution(request) ? conv_ways_of(backend) : nullptr;
  return ways == nullptr ? std::vector<ConvWay>() : ways->ways(task_of(request));
}

Request request_of_ways(Request request) {
  ConvTask task = task_of(request);
  if (task.direction == ConvDirection::filter) task.problem.bias = false;
  request.problem = task.problem.text();
  return request;
}

Case case_of(Backend& backend, const Request& request, const ConvWay* way) {
  Case subject = family(request.family).make(request.problem, request.direction);
  ConvWays* const ways = is_convolution(request) ? conv_ways_of(backend) : nullptr;
  if (ways == nullptr) return subject;
  const ConvTask task = task_of(request);
  const Dtype result = way == nullptr ? ways->result_of(task) : way->result;
  for (Operand& operand : subject.operands) {
    if (operand.name == "dw") operand.precision = result;
  }
  if (way != nullptr) go_one_way(subject, task, *way);
  return subject;
}

double against_best(const std::vector<Row>& rows, const Row& row, WhichTiming when) {
  if (!row.way || !(row.*when)) return 0;
  const Row* const best = fastest_engine(rows, row, when);
  return best == nullptr ? 0 : (best->*when)->seconds.median / (row.*when)->seconds.median;
}

std::vector<Contest> contests_of(const std::vector<Row>& rows) {
  std::vector<Contest> contests;
  for (const Row& row : rows) {
    if (!row.way || !row.way->own) continue;
    Contest contest{.request = row.request};
    if (const Row* best = fastest_engine(rows, row, &Row::cold)) contest.engine_cold = best->way->name;
    if (const Row* best = fastest_engine(rows, row, &Row::hot)) contest.engine_hot = best->way->name;
    if (row.good()) {
      contest.cold = against_best(rows, row, &Row::cold);
      contest.hot = against_best(rows, row, &Row::hot);
    }
    contests.push_back(std::move(contest));
  }
  return contests;
}

double geometric_mean(const std::vector<Contest>& contests, double Contest::*when) {
  double sum = 0;
  int count = 0;
  for (const Contest& contest : contests) {
    if (!(contest.*when > 0)) continue;
    sum += std::log(contest.*when);
    ++count;
  }
  return count == 0 ? 0 : std::exp(sum / count);
}

}  // namespace thaw::microscope
