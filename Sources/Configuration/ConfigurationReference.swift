/// The reference of `coordinator.yaml`, printed from the table that the reader checks by, so that the two cannot
/// differ.
package enum ConfigurationReference {
    /// One table per section, in the order of the file.
    package static var markdown: String {
        let defaults = CoordinatorConfiguration()
        var text = ""
        for section in CoordinatorConfiguration.sections {
            text += "### `\(section.name)`\n\n\(section.meaning)\n\n" + tableHead
            for key in keys(section) { text += row(key, defaults, omitting: section.name) }
            text += "\n"
        }
        text += "### `providers`\n\nA list: the pinned providers. Empty by default.\n\n" + tableHead
        for key in CoordinatorConfiguration.Provider.keys { text += row(key, CoordinatorConfiguration.Provider()) }
        return text
    }

    /// A file with every key at its default, each with its meaning; keys without a default are commented out.
    package static var yaml: String {
        let defaults = CoordinatorConfiguration()
        var text = "# Every key with its default. Only auth.operator_key must be given.\n"
        for section in CoordinatorConfiguration.sections {
            text += "\n# \(section.meaning)\n\(section.name):\n"
            for key in keys(section) {
                let name = key.path.dropFirst(section.name.count + 1)
                text += comment("\(key.meaning) Allowed: \(key.allowed).", indentation: "  ")
                if let value = key.defaultText(defaults) {
                    text += "  \(name): \(value)\n"
                } else if key.isRequired {
                    text += "  \(name): \"${TRUNKLINE_OPERATOR_KEY}\"\n"
                } else {
                    text += "  # \(name): \"\"\n"
                }
            }
        }
        text += "\n# The pinned providers.\nproviders: []\n"
        text += "#  - provider_id: \"m4-anon\"\n#    endpoint_url: \"https://m4.example\"\n#    display_name: \"M4\"\n"
        return text
    }

    private static let tableHead = "| key | default | allowed | meaning |\n| --- | --- | --- | --- |\n"

    private static func keys(_ section: ConfigurationSection) -> [ConfigurationKey<CoordinatorConfiguration>] {
        CoordinatorConfiguration.keys.filter { $0.path.hasPrefix(section.name + ".") }
    }

    private static func row<Root>(
        _ key: ConfigurationKey<Root>, _ defaults: Root, omitting section: String? = nil
    ) -> String {
        let name = section.map { String(key.path.dropFirst($0.count + 1)) } ?? key.path
        let value = key.defaultText(defaults).map { "`\($0)`" } ?? (key.isRequired ? "required" : "none")
        var meaning = key.meaning
        if !key.aliases.isEmpty {
            meaning += " Also read as " + key.aliases.map { "`\($0)`" }.joined(separator: ", ") + "."
        }
        return "| `\(name)` | \(value) | \(key.allowed) | \(meaning) |\n"
    }

    /// Broken into lines of at most 100 characters.
    private static func comment(_ text: String, indentation: String) -> String {
        var lines: [String] = []
        var line = indentation + "#"
        for word in text.split(separator: " ") {
            if line.count + 1 + word.count > 100 {
                lines.append(line)
                line = indentation + "#"
            }
            line += " " + word
        }
        return (lines + [line]).joined(separator: "\n") + "\n"
    }
}
