import FleetHarness
import Foundation

/// The folder for data and logs. One of our own making is removed when nobody needs it any more.
struct Home: Sendable {
    let path: String
    private let isTemporary: Bool

    init(_ chosen: String?) throws {
        if let chosen {
            let base = FileManager.default.currentDirectoryPath
            path = chosen.hasPrefix("/") ? chosen : "\(base)/\(chosen)"
            isTemporary = false
        } else {
            path = try FleetPlan.temporaryHome()
            isTemporary = true
        }
    }

    /// Removes a temporary folder. Failing to is not worth a word: the system clears it some day.
    func discard() {
        guard isTemporary else { return }
        try? FileManager.default.removeItem(atPath: path)
    }
}
