#include <fmt/format.h>

#include "app/commands.h"
#include "app/inference.h"
#include "app/options.h"
#include "data/dataset.h"
#include "framework/ops.h"
#include "kernels/error.h"
#include "kernels/files.h"
#include "weights/features_h5.h"

namespace thaw {

namespace {

struct FeatureOptions {
  SessionOptions session;
  std::vector<std::filesystem::path> files;
  std::string data;
  std::string out;
  int batch = 32;
  bool json = false;
};

/// The files to read and the names to write down for them.
struct Photos {
  std::vector<std::filesystem::path> files;
  std::vector<std::string> names;
};

Photos photos_of(const FeatureOptions& options) {
  if (options.files.empty() == options.data.empty()) {
    fail(ErrorKind::usage, "give photos as FILES or a data set as --data, one of the two");
  }
  Photos photos;
  if (!options.files.empty()) {
    photos.files = options.files;
    for (const auto& file : photos.files) photos.names.push_back(file.string());
    return photos;
  }
  const Dataset dataset = Dataset::open(options.data, {.threads = options.session.device.threads});
  for (int i = 0; i < dataset.size(); ++i) {
    photos.files.push_back(dataset.path_of(i));
    photos.names.push_back(dataset.samples()[static_cast<std::size_t>(i)].key);
  }
  return photos;
}

int run_features(const FeatureOptions& options, Console& console) {
  require_option(options.batch >= 1 && options.batch <= max_batch, "--batch", "1 to 65536 photos", options.batch);
  require_writable(options.out);
  const Photos photos = photos_of(options);
  const Session session = open_session(options.session);
  std::vector<float> features;
  for_each_photo_batch(session, photos.files, options.batch, options.session.device.threads, console,
                       [&](const Tensor& pixels, std::size_t) {
                         Context ctx = session.context();
                         const Var pooled = global_average_pool(ctx, session.network->forward(ctx, pixels));
                         const std::vector<float> values = pooled.value().to_floats();
                         features.insert(features.end(), values.begin(), values.end());
                       });
  const std::size_t width = features.size() / photos.files.size();
  write_features(options.out, features, photos.files.size(), width, photos.names);
  if (options.json) {
    print_json(console.out, {{"out", options.out},
                             {"model", session.network->id},
                             {"weights_sha256", session.weights_sha256},
                             {"photos", photos.files.size()},
                             {"features", width}});
  } else {
    console.out << fmt::format("wrote {} features of each of {} photos to {}\n", width,
                               count_text(static_cast<std::int64_t>(photos.files.size())), options.out);
  }
  return 0;
}

}  // namespace

void add_features(CLI::App& app, Action& action) {
  CLI::App* command = add_command(
      app, "features", "Write the pooled output of a network's base for photos: an HDF5 file with `features`, `paths`.",
      "thaw features --model mobilenet_v3_small --weights mobilenet_v3_small_imagenet_notop.h5 \\\n"
      "    --data flower_photos.tgz --out features.h5");
  auto options = std::make_shared<FeatureOptions>();
  add_model_options(command, options->session);
  command->add_option("FILES", options->files, "photos (JPEG or PNG), in the order of the rows");
  command->add_option("--data", options->data, "a folder of class folders, or a .tgz of one, in TFDS' order");
  command->add_option("--out", options->out, "the HDF5 file to write")->required();
  command->add_option("--size", options->session.size, "input size in pixels; 0: as the weights say, else 224");
  command->add_option("--batch", options->batch, "photos at a time");
  add_device_options(command, options->session.device);
  add_json_option(command, options->json);
  set_action(command, options, action, run_features);
}

}  // namespace thaw
