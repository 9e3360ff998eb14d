//! Item features as constant tensors, with a mask of the items that have any.

use crate::data::{Features, ItemFeatures};
use crate::nn::{Init, ModalityProjections};
use burn::module::Module;
use burn::tensor::{Tensor, TensorData};

/// Copies features to a constant tensor on the device of `init`, `[n_items, width]`.
///
/// ```
/// use burn::tensor::Device;
/// use viral::data::ItemFeatures;
/// use viral::model::features;
/// use viral::nn::Init;
///
/// let rows = ItemFeatures::new(2, 3, vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0])?;
/// assert_eq!(features(&rows, &Init::new(0, &Device::flex())).dims(), [2, 3]);
/// # Ok::<(), viral::Error>(())
/// ```
pub fn features(features: &ItemFeatures, init: &Init) -> Tensor<2> {
    let shape = [features.n_items(), features.width()];
    Tensor::from_data(TensorData::new(features.values().to_vec(), shape), init.device())
}

/// The features of a modality as constants, with a mask of the items that have any.
///
/// The mask keeps items without features at zero: a projection with a bias would map their zeros to its bias.
///
/// ```text
/// c_i = m_i f(x_i),    m_i = 1 where item i has features, else 0
/// ```
///
/// If every item has features, there is no mask and no product.
///
/// ```
/// use burn::tensor::Device;
/// use viral::data::ItemFeatures;
/// use viral::model::Content;
/// use viral::nn::Init;
///
/// let rows = ItemFeatures::new(2, 1, vec![3.0, 0.0])?;
/// let content = Content::new(&rows, &Init::new(0, &Device::flex()));
/// let projected = content.through(|x| x * 2.0 + 1.0);
/// assert_eq!(projected.into_data().iter::<f32>().collect::<Vec<_>>(), [7.0, 0.0]);
/// # Ok::<(), viral::Error>(())
/// ```
#[derive(Module, Debug)]
pub struct Content {
    /// The features, `[n_items, width]`; zeros for items without any.
    pub rows: Tensor<2>,
    /// The mask, 1 for items with features, else 0, `[n_items, 1]`; `None` if all items have them.
    pub there: Option<Tensor<2>>,
}

impl Content {
    /// Copies features to the device of `init`.
    pub fn new(rows: &ItemFeatures, init: &Init) -> Self {
        Self { rows: features(rows, init), there: mask(rows.there(), init) }
    }

    /// Like [`new`](Self::new), with L2-normalised rows if `normalize` is set.
    pub(super) fn normalized(rows: &ItemFeatures, normalize: bool, init: &Init) -> Self {
        if normalize { Self::new(&rows.clone().l2_normalized(), init) } else { Self::new(rows, init) }
    }

    /// Like [`normalized`](Self::normalized), for all modalities in their order.
    pub(super) fn of_all(features: &Features, normalize: bool, init: &Init) -> Vec<Self> {
        features.iter().map(|(_, rows)| Self::normalized(rows, normalize, init)).collect()
    }

    /// Applies `layer` to the features; items without any get zeros.
    ///
    /// # Shapes
    /// - output: that of the layer, `[n_items, d]`
    pub fn through(&self, layer: impl FnOnce(Tensor<2>) -> Tensor<2>) -> Tensor<2> {
        only(layer(self.rows.clone()), &self.there)
    }
}

/// Applies its projection to the content of each modality; items without any get zeros.
pub(super) fn project(projections: &ModalityProjections, content: &[Content]) -> Vec<Tensor<2>> {
    let projected = projections.forward(content.iter().map(|content| content.rows.clone()));
    projected.into_iter().zip(content).map(|(x, content)| only(x, &content.there)).collect()
}

/// Converts flags to a mask column, `[n_items, 1]`: 1 for true, else 0.
pub(super) fn mask(there: Option<&[bool]>, init: &Init) -> Option<Tensor<2>> {
    let column = |there: &[bool]| {
        let values: Vec<f32> = there.iter().map(|&there| f32::from(u8::from(there))).collect();
        Tensor::from_data(TensorData::new(values, [there.len(), 1]), init.device())
    };
    there.map(column)
}

/// Zeroes the rows that the mask excludes.
pub(super) fn only(x: Tensor<2>, there: &Option<Tensor<2>>) -> Tensor<2> {
    match there {
        Some(there) => x * there.clone(),
        None => x,
    }
}
