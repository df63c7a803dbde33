package import Primitives

/// The head of a response, as a client receives it.
package struct ResponseHead: Sendable {
    /// 100...599.
    package var status: Int
    package var version: HTTPVersion
    private let section: HeaderSection

    init(status: Int, version: HTTPVersion, section: HeaderSection) {
        self.status = status
        self.version = version
        self.section = section
    }

    /// The value of the first field of that name, without the white space around it; nil if there is none.
    package func field(_ name: StaticString) -> String? { section.field(name) }

    package func withField<Result>(
        _ name: StaticString, _ body: (ByteView) throws -> Result
    ) rethrows -> Result? { try section.withField(name, body) }

    /// Whether a comma list, over all fields of that name, has `token`; letter case does not matter.
    package func fieldContainsToken(_ name: StaticString, _ token: StaticString) -> Bool {
        section.fieldContainsToken(name, token)
    }

    /// How many field lines have that name.
    package func fieldCount(_ name: StaticString) -> Int { section.fieldCount(name) }

    /// All fields, in the order in which they came.
    package func forEachField(_ body: (_ name: ByteView, _ value: ByteView) -> Void) { section.forEachField(body) }
}
