#include <fmt/format.h>

#include "app/commands.h"
#include "app/model_card.h"
#include "app/options.h"
#include "data/explore.h"
#include "data/split.h"
#include "data/synth.h"
#include "kernels/error.h"
#include "kernels/files.h"

namespace thaw {

namespace {

struct DataOptions {
  std::string data;
  std::string split = std::string(default_split);
  std::string out;
  std::string bad_images = "stop";
  int per_class = 10;
  int thumb = 96;
  int threads = 0;
  bool json = false;
  SynthOptions synth;
};

Dataset open_data(const DataOptions& options) {
  const bool skip = parse_choice(options.bad_images, "--bad-images", {"stop", "skip"}) == 1;
  require_option(options.threads >= 0 && options.threads <= max_threads, "--threads", "0 (all) to 1024",
                 options.threads);
  return Dataset::open(options.data, {.bad = skip ? BadImages::skip : BadImages::stop, .threads = options.threads});
}

void print_stats(const Dataset& dataset, const DatasetStats& stats, Console& console) {
  if (are_drawn(stats.class_names)) console.out << bold(console, kDrawnNotice) << "\n";
  Table classes({"class", ">label", ">photos", ">share"});
  for (std::size_t i = 0; i < stats.class_names.size(); ++i) {
    classes.add({stats.class_names[i], std::to_string(i), count_text(stats.class_counts[i]),
                 percent_text(static_cast<double>(stats.class_counts[i]) / std::max(stats.images, 1))});
  }
  console.out << classes.text() << "\n";
  Table ranges({"", ">min", ">median", ">max"});
  const auto add = [&ranges](const char* name, const auto& range, const auto& text) {
    ranges.add({name, text(range.min), text(range.median), text(range.max)});
  };
  const auto whole = [](int value) { return std::to_string(value); };
  add("width", stats.width, whole);
  add("height", stats.height, whole);
  add("width/height", stats.aspect, [](double value) { return fmt::format("{:.2f}", value); });
  add("file size", stats.file_bytes, [](std::uint64_t value) { return bytes_text(value); });
  console.out << ranges.text() << "\n";
  std::string sizes;
  for (const SizeCount& size : stats.common_sizes) {
    sizes += fmt::format("{}{}x{} ({})", sizes.empty() ? "" : ", ", size.width, size.height, size.count);
  }
  console.out << fmt::format("{} photos, {}; commonest sizes: {}\n", count_text(stats.images), bytes_text(stats.bytes),
                             sizes);
  console.out << fmt::format("{} groups of identical files, {} unreadable files; SHA-256 {}\n", stats.duplicates.size(),
                             stats.unreadable.size(), dataset.content_hash());
  for (const BadImage& bad : stats.unreadable) console.out << fmt::format("unreadable {}: {}\n", bad.key, bad.reason);
}

int run_stats(const DataOptions& options, Console& console) {
  const Dataset dataset = open_data(options);
  const DatasetStats stats = dataset_stats(dataset, options.threads);
  if (!options.json) {
    print_stats(dataset, stats, console);
    return 0;
  }
  nlohmann::json report = to_json(stats);
  report["sha256"] = dataset.content_hash();
  report["drawn_photos"] = are_drawn(stats.class_names);
  print_json(console.out, report);
  return 0;
}

int run_split(const DataOptions& options, Console& console) {
  const Dataset dataset = open_data(options);
  const nlohmann::json report = split_json(dataset, split_dataset(dataset, options.split));
  if (options.out.empty()) {
    print_json(console.out, report);
    return 0;
  }
  write_file_atomically(options.out, report.dump(2) + "\n");
  console.out << fmt::format("wrote {} train, {} validation and {} test photos to {}\n", report.at("train").size(),
                             report.at("val").size(), report.at("test").size(), options.out);
  return 0;
}

int run_sheet(const DataOptions& options, Console& console) {
  const Dataset dataset = open_data(options);
  write_png(options.out, contact_sheet(dataset, options.per_class, options.thumb));
  console.out << fmt::format("wrote the first {} photos of each of {} classes to {}\n", options.per_class,
                             dataset.class_count(), options.out);
  return 0;
}

int run_synth(const DataOptions& options, Console& console) {
  require_option(options.synth.per_class >= 1, "--per-class", "at least 1 photo", options.synth.per_class);
  require_option(options.synth.size >= 16 && options.synth.size <= 2048, "--size", "16 to 2048 pixels",
                 options.synth.size);
  draw_synthetic_flowers(options.out, options.synth);
  console.out << fmt::format("drew {} photos of each of {} classes in {}\n{}\n", options.synth.per_class,
                             synthetic_class_names().size(), options.out, bold(console, kDrawnNotice));
  return 0;
}

std::shared_ptr<DataOptions> add_data_source(CLI::App* command) {
  auto options = std::make_shared<DataOptions>();
  command->add_option("DATA,--data", options->data, "a folder of class folders, or a .tgz of one")->required();
  command->add_option("--bad-images", options->bad_images, "photos that cannot be decoded: stop or skip");
  command->add_option("--threads", options->threads, "processor threads; 0: all");
  return options;
}

}  // namespace

void add_data(CLI::App& app, Action& action) {
  CLI::App* data =
      add_command(app, "data", "Look at photos, split them, draw some.", "thaw data stats flower_photos.tgz");
  data->require_subcommand(1);

  CLI::App* stats = add_command(*data, "stats", "Class counts, sizes, duplicates and unreadable files.",
                                "thaw data stats flower_photos.tgz --json");
  auto options = add_data_source(stats);
  add_json_option(stats, options->json);
  set_action(stats, options, action, run_stats);

  CLI::App* split = add_command(*data, "split", "Which photos are for training, validation and test, as JSON.",
                                "thaw data split flower_photos.tgz --split "
                                "'train=train[:80%],val=train[80%:90%],test=train[90%:]' --out split.json");
  options = add_data_source(split);
  split->add_option("--split", options->split, "slices of the photos, as TensorFlow Datasets counts them");
  split->add_option("--out", options->out, "the JSON file to write; left out: the standard output");
  set_action(split, options, action, run_split);

  CLI::App* sheet = add_command(*data, "sheet", "A contact sheet: a PNG with a row of photos for every class.",
                                "thaw data sheet flower_photos.tgz --per-class 8 --out sheet.png");
  options = add_data_source(sheet);
  sheet->add_option("--per-class", options->per_class, "photos of each class");
  sheet->add_option("--thumb", options->thumb, "width and height of a photo on the sheet in pixels");
  sheet->add_option("--out", options->out, "the PNG file to write")->required();
  set_action(sheet, options, action, run_sheet);

  CLI::App* synth = add_command(*data, "synth", "Draw photos of five invented flowers, for trying things out.",
                                "thaw data synth --out drawn --per-class 60 --size 96 --seed 0");
  options = std::make_shared<DataOptions>();
  synth->add_option("--out", options->out, "the folder to write")->required();
  synth->add_option("--per-class", options->synth.per_class, "photos of each class");
  synth->add_option("--size", options->synth.size, "width and height in pixels");
  synth->add_option("--seed", options->synth.seed, "of what the pictures look like")
      ->check(CLI::Validator(not_negative, ""));
  set_action(synth, options, action, run_synth);
}

}  // namespace thaw
