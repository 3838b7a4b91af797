#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "app/commands.h"
#include "app/inference.h"
#include "app/options.h"
#include "kernels/error.h"

namespace thaw {

namespace {

struct PredictOptions {
  SessionOptions session;
  std::vector<std::filesystem::path> files;
  int top = 3;
  int batch = 32;
  bool json = false;
};

struct Guess {
  int label = 0;
  double probability = 0;
};

/// The `top` likeliest labels of one row of logits, with softmax(logits).
std::vector<Guess> best_guesses(std::span<const double> logits, int top) {
  const double largest = *std::max_element(logits.begin(), logits.end());
  std::vector<Guess> guesses(logits.size());
  double sum = 0;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    guesses[i] = {static_cast<int>(i), std::exp(logits[i] - largest)};
    sum += guesses[i].probability;
  }
  for (Guess& guess : guesses) guess.probability /= sum;
  std::stable_sort(guesses.begin(), guesses.end(),
                   [](const Guess& a, const Guess& b) { return a.probability > b.probability; });
  guesses.resize(std::min(guesses.size(), static_cast<std::size_t>(top)));
  return guesses;
}

std::string name_of_label(const Session& session, int label) {
  const auto index = static_cast<std::size_t>(label);
  return index < session.card.class_names.size() ? session.card.class_names[index] : fmt::format("class {}", label);
}

nlohmann::json to_json(const Session& session, const std::filesystem::path& file, const std::vector<Guess>& guesses) {
  nlohmann::json classes = nlohmann::json::array();
  for (const Guess& guess : guesses) {
    classes.push_back(
        {{"label", guess.label}, {"name", name_of_label(session, guess.label)}, {"probability", guess.probability}});
  }
  return {{"file", file.string()}, {"classes", classes}};
}

int run_predict(const PredictOptions& options, Console& console) {
  require_option(options.top >= 1, "--top", "at least 1", options.top);
  require_option(options.batch >= 1 && options.batch <= max_batch, "--batch", "1 to 65536 photos", options.batch);
  SessionOptions wanted = options.session;
  wanted.wish = wanted.head.include_top ? HeadWish::as_given : HeadWish::as_weights;
  const Session session = open_session(wanted);
  const bool drawn = are_drawn(session.card.class_names);
  if (drawn && !options.json) console.out << bold(console, kDrawnNotice) << "\n";
  nlohmann::json report = nlohmann::json::array();
  for_each_photo_batch(session, options.files, options.batch, options.session.device.threads, console,
                       [&](const Tensor& pixels, std::size_t first) {
                         Context ctx = session.context();
                         const Var logits = session.network->forward(ctx, pixels);
                         const auto classes = static_cast<std::size_t>(logits.shape()[1]);
                         const std::vector<double> values = logits.value().to_doubles();
                         for (std::size_t i = 0; i * classes < values.size(); ++i) {
                           const auto guesses =
                               best_guesses(std::span(values).subspan(i * classes, classes), options.top);
                           report.push_back(to_json(session, options.files[first + i], guesses));
                         }
                       });
  if (options.json) {
    print_json(console.out, {{"model", session.network->id}, {"drawn_photos", drawn}, {"predictions", report}});
    return 0;
  }
  for (const nlohmann::json& entry : report) {
    std::string line = entry.at("file").get<std::string>();
    for (const nlohmann::json& guess : entry.at("classes")) {
      line += fmt::format("  {} {}", guess.at("name").get<std::string>(),
                          percent_text(guess.at("probability").get<double>()));
    }
    console.out << line << "\n";
  }
  return 0;
}

}  // namespace

void add_predict(CLI::App& app, Action& action) {
  CLI::App* command = add_command(app, "predict", "What a trained network sees in photos.",
                                  "thaw predict --weights runs/first/best.h5 --top 3 rose.jpg tulip.jpg");
  auto options = std::make_shared<PredictOptions>();
  add_model_options(command, options->session);
  command->add_option("FILES", options->files, "photos (JPEG or PNG)")->required();
  command->add_option("--top", options->top, "how many classes to name");
  command->add_flag("--include-top", options->session.head.include_top,
                    "use the ImageNet classifier of a Keras file that has one (classes by number)");
  command->add_option("--batch", options->batch, "photos at a time");
  add_device_options(command, options->session.device);
  add_json_option(command, options->json);
  set_action(command, options, action, run_predict);
}

}  // namespace thaw
