import Foundation

/// Certificates made by the `openssl` program for one test, and gone with it.
final class TestCertificates: Sendable {
    let directory: URL

    init() throws {
        directory = FileManager.default.temporaryDirectory.appending(path: "tls-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(at: directory) }

    func path(_ name: String) -> String { directory.appending(path: name).path }

    /// Writes `<name>.pem` and `<name>.key`, self-signed.
    func make(_ name: String, host: String = "localhost") throws {
        let isAddress = host.first?.isNumber == true
        try run([
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
            "-subj", "/CN=\(name)", "-addext", "subjectAltName=\(isAddress ? "IP" : "DNS"):\(host)",
            "-keyout", path("\(name).key"), "-out", path("\(name).pem"),
        ])
    }

    func copy(_ from: String, to target: String) throws {
        try Data(contentsOf: URL(filePath: path(from))).write(to: URL(filePath: path(target)))
    }

    /// Runs the program, gives what it printed.
    @discardableResult
    func run(_ arguments: [String], input: String? = nil) throws -> String {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = ["openssl"] + arguments
        let output = Pipe()
        let inputPipe = Pipe()
        process.standardOutput = output
        process.standardError = output
        process.standardInput = inputPipe
        try process.run()
        if let input { try inputPipe.fileHandleForWriting.write(contentsOf: Data(input.utf8)) }
        // The program ends by itself, when the server has closed; closing its input would end it before the answer.
        if input == nil { try inputPipe.fileHandleForWriting.close() }
        let data = try output.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        try? inputPipe.fileHandleForWriting.close()
        return String(decoding: data, as: UTF8.self)
    }

    /// Runs the program and gives it each line as soon as it has printed what belongs to the one before.
    func interact(_ arguments: [String], _ steps: [(line: String, answer: String)]) throws -> String {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = ["openssl"] + arguments
        let output = Pipe()
        let input = Pipe()
        process.standardOutput = output
        process.standardError = output
        process.standardInput = input
        try process.run()
        var text = ""
        var seen = text.startIndex
        for (line, answer) in steps {
            try input.fileHandleForWriting.write(contentsOf: Data("\(line)\n".utf8))
            while !text[seen...].contains(answer) {
                let more = output.fileHandleForReading.availableData
                guard !more.isEmpty else { break }
                text += String(decoding: more, as: UTF8.self)
            }
            seen = text.endIndex
        }
        text += String(decoding: try output.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
        process.waitUntilExit()
        return text
    }
}
