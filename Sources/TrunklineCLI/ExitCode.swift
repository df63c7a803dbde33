/// How the process ends, as scripts and service managers read it. 64 and up are those of sysexits.h.
struct ExitCode: Equatable, Sendable {
    let rawValue: Int32

    static let success = ExitCode(rawValue: 0)
    /// It ran, and did not work out: the answer was an error.
    static let failure = ExitCode(rawValue: 1)
    /// The command line was not understood.
    static let usage = ExitCode(rawValue: 2)
    /// A file holds something else than it should (EX_DATAERR).
    static let dataError = ExitCode(rawValue: 65)
    /// A file that was named cannot be read (EX_NOINPUT).
    static let noInput = ExitCode(rawValue: 66)
    /// A service that is needed cannot be reached (EX_UNAVAILABLE).
    static let unavailable = ExitCode(rawValue: 69)
    /// A file cannot be made (EX_CANTCREAT).
    static let cannotCreate = ExitCode(rawValue: 73)
    /// Reading or writing failed (EX_IOERR).
    static let inputOutput = ExitCode(rawValue: 74)
    /// The other side refused who we are (EX_NOPERM).
    static let noPermission = ExitCode(rawValue: 77)
    /// The configuration cannot be used (EX_CONFIG).
    static let configuration = ExitCode(rawValue: 78)

    /// Ended by a signal, in the shell's notation.
    static func signal(_ number: Int32) -> ExitCode { ExitCode(rawValue: 128 + number) }
}

/// Ends a command: what to say, and how the process ends.
struct CommandFailure: Error {
    var code: ExitCode
    /// One sentence about what went wrong.
    var message: String
    /// What to do about it, if there is something.
    var advice: String?

    init(_ code: ExitCode, _ message: String, advice: String? = nil) {
        self.code = code
        self.message = message
        self.advice = advice
    }
}
