//! What a node has spent of its assets' privacy, and the noisy cubes that it was spent on.

use super::Node;
use crate::asset::Did;
use crate::cube::ProtectedCube;
use crate::envelope::{DatasetKey, DatasetRef, ObjectKey, Suite, open_bytes, seal_bytes};
use crate::error::Result;
use crate::exchange::Asset;
use crate::policy::Policy;
use crate::privacy::{Budget, Noise};

impl Node {
    /// The noisy cube of an epoch, if there is one.
    pub(crate) fn kept_cube(&self, key: &DatasetKey, policy: &Policy) -> Result<Option<ProtectedCube>> {
        let Some(sealed) = self.journal.kept(&cube_key(key.of()))? else { return Ok(None) };
        let bytes = open_bytes(&cube_object(key, policy)?, &sealed)?;
        Ok(Some(ProtectedCube::from_bytes(&bytes, policy)?))
    }

    /// Keeps the noisy cube of an epoch, sealed with the epoch's key, before anything is answered from it. One whose noise
    /// is new is charged to the asset.
    pub(crate) fn keep_cube(
        &self,
        key: &DatasetKey,
        asset: &Did,
        policy: &Policy,
        cube: &ProtectedCube,
        new: bool,
    ) -> Result<()> {
        let (true, Some(Noise::Cube(loss))) = (cube.is_noisy(), policy.noise()) else { return Ok(()) };
        let sealed = seal_bytes(&cube_object(key, policy)?, &cube.to_bytes()?)?;
        let name = cube_key(key.of());
        if new {
            self.journal.keep_charged(&name, &sealed, &asset.to_string(), policy, loss.epsilon)?;
        } else {
            self.journal.replace(&name, &sealed)?;
        }
        Ok(())
    }

    /// What an asset of this node has spent of its privacy budget. For the owner: nobody else can see it.
    ///
    /// # Errors
    /// A failed read.
    pub fn budget(&self, asset: &Asset) -> Result<Budget> {
        let spent_micros = self.journal.privacy_spent(&asset.did().to_string())?;
        Ok(Budget { spent_micros, limit: asset.policy().privacy_limit() })
    }
}

/// Where the journal keeps the noisy cube of a dataset's epoch.
pub(crate) fn cube_key(of: DatasetRef) -> String {
    format!("protected-cube/{}/{}", of.dataset, of.epoch)
}

/// What a noisy cube is sealed with: bound to the dataset, the epoch and the policy.
fn cube_object(key: &DatasetKey, policy: &Policy) -> Result<ObjectKey> {
    Ok(key.object_key(&format!("protected-cube/{}", policy.digest()?), Suite::Cobblestone256)?)
}
