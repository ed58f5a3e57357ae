// SPDX-License-Identifier: Apache-2.0

#include "agent/image_config.h"

#include <algorithm>

#include <boost/json.hpp>

namespace dormouse::agent {

namespace json = boost::json;

namespace {

constexpr std::size_t kLayersMax = 500;  // OVL_MAX_STACK of the kernel's overlay file system

tl::unexpected<protocol::Refusal> malformed(const std::string& what) {
  return refuse(ErrorKind::kInvalidArgument, "no_image", "application.json: " + what);
}

// A member that may be absent or null. False if it is something else than a string.
bool take_text(const json::object& object, std::string_view name, std::string& text) {
  const json::value* const value = object.if_contains({name.data(), name.size()});
  if (value == nullptr || value->is_null()) {
    return true;
  }
  const json::string* const string = value->if_string();
  if (string == nullptr || string->find('\0') != json::string::npos) {
    return false;
  }
  text.assign(string->data(), string->size());
  return true;
}

bool take_texts(const json::object& object, std::string_view name, std::vector<std::string>& texts) {
  const json::value* const value = object.if_contains({name.data(), name.size()});
  if (value == nullptr || value->is_null()) {
    return true;
  }
  if (!value->is_array()) {
    return false;
  }
  for (const json::value& element : value->get_array()) {
    const json::string* const string = element.if_string();
    if (string == nullptr || string->find('\0') != json::string::npos) {
      return false;
    }
    texts.emplace_back(string->data(), string->size());
  }
  return true;
}

bool is_plain_path(const std::string& path) {
  return path.starts_with('/') && (path + "/").find("/../") == std::string::npos;
}

}  // namespace

Answered<ImageConfig> ImageConfig::parse(std::string_view text) {
  json::error_code error;
  const json::value value = json::parse({text.data(), text.size()}, error);
  const json::object* const top = error ? nullptr : value.if_object();
  const json::value* const config_value = top == nullptr ? nullptr : top->if_contains("config");
  const json::object* const config = config_value == nullptr ? nullptr : config_value->if_object();
  if (config == nullptr) {
    return malformed("not a JSON object with \"config\"");
  }
  ImageConfig image;
  if (!take_texts(*top, "layers", image.layers) || image.layers.empty() || image.layers.size() > kLayersMax ||
      !std::all_of(image.layers.begin(), image.layers.end(), is_plain_path)) {
    return malformed("\"layers\" is not a list of 1 to " + std::to_string(kLayersMax) + " absolute paths");
  }
  if (!take_texts(*config, "Entrypoint", image.entrypoint) || !take_texts(*config, "Cmd", image.command)) {
    return malformed("\"Entrypoint\" or \"Cmd\" is not a list of strings");
  }
  if (!take_texts(*config, "Env", image.environment)) {
    return malformed("\"Env\" is not a list of strings");
  }
  if (!take_text(*config, "WorkingDir", image.working_directory) || !take_text(*config, "User", image.user)) {
    return malformed("\"WorkingDir\" or \"User\" is not a string");
  }
  if (!image.working_directory.starts_with('/')) {
    image.working_directory = "/" + image.working_directory;
  }
  if (image.arguments().empty() || image.arguments().front().empty()) {
    return refuse(ErrorKind::kInvalidArgument,
                  "no_command",
                  "the image has neither ENTRYPOINT nor CMD; add one of them to the Dockerfile");
  }
  return image;
}

std::vector<std::string> ImageConfig::arguments() const {
  std::vector<std::string> arguments = entrypoint;
  arguments.insert(arguments.end(), command.begin(), command.end());
  return arguments;
}

}  // namespace dormouse::agent
