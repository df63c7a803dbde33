/// Whom the keys of an encrypted leg belong to: both names go into the keys and into every frame.
package struct LegIdentity: Sendable, Equatable {
    package var providerID: String
    package var assignedID: String

    package init(providerID: String, assignedID: String) {
        self.providerID = providerID
        self.assignedID = assignedID
    }
}

/// Which end of the leg one is.
package enum LegRole: Sendable {
    case coordinator, provider
}

/// The suite, the only one that there is.
package enum AEADSuite {
    package static let name: StaticString = "A256GCM"
    package static var text: String { name.description }
}
