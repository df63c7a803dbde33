#if canImport(Darwin)
    import Darwin
#else
    import Glibc
#endif
import Testing

@testable import Configuration

@Suite struct ConfigurationFileTests {
    /// A directory of its own, gone afterwards.
    func withDirectory(_ body: (String) throws -> Void) throws {
        var template = Array("/tmp/configuration-XXXXXX".utf8CString)
        let path = try #require(mkdtemp(&template).map { String(cString: $0) })
        defer {
            for name in ["file.yaml", "pipe"] { unlink("\(path)/\(name)") }
            rmdir(path)
        }
        try body(path)
    }

    func problem(_ path: String) -> String? {
        do throws(ConfigurationError) {
            _ = try CoordinatorConfiguration.load(path: path)
            return nil
        } catch {
            return error.description
        }
    }

    @Test func aFileIsRead() throws {
        try withDirectory { (directory: String) throws in
            let path = directory + "/file.yaml"
            let text = Array("auth: {operator_key: from-file}\n".utf8)
            let descriptor = open(path, O_WRONLY | O_CREAT, 0o600)
            #expect(write(descriptor, text, text.count) == text.count)
            close(descriptor)
            let read = try CoordinatorConfiguration.load(path: path)
            #expect(read.auth.operatorKey == "from-file")
        }
    }

    @Test func whatIsNoFileIsSaid() throws {
        try withDirectory { directory in
            #expect(problem(directory) == "\(directory): is a directory, expected a YAML file")
            #expect(problem(directory + "/none") == "\(directory)/none: cannot be opened: No such file or directory")
            #expect(mkfifo(directory + "/pipe", 0o600) == 0)
            #expect(problem(directory + "/pipe") == "\(directory)/pipe: is no regular file, expected a YAML file")
            #expect(problem("") == "(no name): no file is named")
        }
    }
}

@Suite struct ConfigurationReferenceTests {
    @Test func theExampleFileSaysTheDefaults() throws {
        var expected = CoordinatorConfiguration()
        expected.auth.operatorKey = "s3cret"
        let read = try CoordinatorConfiguration.parse(
            Array(ConfigurationReference.yaml.utf8), file: "example.yaml"
        ) { $0 == "TRUNKLINE_OPERATOR_KEY" ? "s3cret" : nil }
        #expect(read == expected)
        #expect(ConfigurationReference.yaml.split(separator: "\n").allSatisfy { $0.count <= 100 })
    }

    @Test func everyKeyStandsInTheReferenceOnce() {
        let markdown = ConfigurationReference.markdown
        for key in CoordinatorConfiguration.keys {
            let name = key.path.split(separator: ".")[1]
            #expect(
                ConfigurationReference.yaml.contains("  \(name): ")
                    || ConfigurationReference.yaml.contains("# \(name): "))
            #expect(markdown.contains("| `\(name)` |"))
        }
        let rows = markdown.split(separator: "\n").filter { $0.hasPrefix("| `") }
        #expect(rows.count == CoordinatorConfiguration.keys.count + CoordinatorConfiguration.Provider.keys.count)
    }

    @Test func theTableIsSound() {
        var paths: Set<String> = []
        for key in CoordinatorConfiguration.keys {
            for path in [key.path] + key.aliases { #expect(paths.insert(path).inserted, "\(path) twice") }
            let section = key.path.prefix { $0 != "." }
            #expect(CoordinatorConfiguration.sections.contains { $0.name == section }, "\(key.path)")
            #expect(key.meaning.hasSuffix(".") && !key.meaning.contains("|"))
        }
    }
}
