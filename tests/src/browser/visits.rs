//! What readers do between visits: load the page again, open another one, close it, lose the network.

use std::time::Duration;

use serde_json::json;

use super::Tab;

impl Tab {
    /// Loads the page again, as its reader would, and waits for the new document.
    pub fn reload(&mut self) {
        self.eval("window.isBeforeReload = true");
        self.ask("Page.reload", json!({}));
        self.wait("the document again", "!window.isBeforeReload && document.readyState === 'complete'");
    }

    /// Ends the server: from now on there is no network.
    pub fn stop_serving(&mut self) {
        self.serving.stop();
        let offline =
            json!({ "offline": true, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0 });
        self.ask("Network.emulateNetworkConditions", offline);
    }

    /// Opens another empty page in the same browser and turns to it; gives the one before.
    pub fn beside(&mut self) -> String {
        let target = self.driver.pipe.ask(None, "Target.createTarget", &json!({ "url": "about:blank" }));
        let target = json!({ "targetId": target["targetId"], "flatten": true });
        let attached = self.driver.pipe.ask(None, "Target.attachToTarget", &target);
        let before = self.turn_to(attached["sessionId"].as_str().unwrap_or_default().to_owned());
        for domain in ["Page", "Runtime", "Log", "Network"] {
            self.ask(&format!("{domain}.enable"), json!({}));
        }
        self.resize(1280, 900);
        before
    }

    /// Turns to another page; gives the one before.
    pub fn turn_to(&mut self, page: String) -> String {
        std::mem::replace(&mut self.driver.session, page)
    }

    /// Closes this page, turns to another one, and waits until the browser has forgotten the first.
    pub fn close(&mut self, for_page: String) {
        let before = self.pages();
        self.ask("Page.close", json!({}));
        self.turn_to(for_page);
        for _ in 0..100 {
            if self.pages() < before {
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn pages(&mut self) -> usize {
        let targets = self.ask_browser("Target.getTargets", json!({ "filter": [{ "type": "page" }] }));
        targets["targetInfos"].as_array().map_or(0, Vec::len)
    }
}
