//! Amazon ECR: repositories, their images by digest and tag, and what a scan found in them.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    model::{Account, Image, Repository},
    protocol::{AwsError, epoch, input, page, without_nulls},
};

const MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";

/// Performs one operation.
pub(crate) fn call(account: &Account, operation: &str, body: Value) -> Result<Value, AwsError> {
    match operation {
        "DescribeImages" => describe_images(account, body),
        "DescribeRepositories" => describe_repositories(account, body),
        "ListImages" => list_images(account, body),
        "BatchGetImage" => batch_get_image(account, body),
        "DescribeImageScanFindings" => describe_findings(account, body),
        _ => Err(AwsError::unknown_operation()),
    }
}

fn invalid(reason: impl Into<String>) -> AwsError {
    AwsError::new("InvalidParameterException", reason)
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ImageId {
    image_digest: Option<String>,
    image_tag: Option<String>,
}

impl ImageId {
    fn matches(&self, image: &Image) -> bool {
        let digest = self.image_digest.as_ref().is_none_or(|digest| *digest == image.digest);
        let tag = self.image_tag.as_ref().is_none_or(|tag| image.tags.contains(tag));
        digest && tag
    }

    /// As ECR's messages write it.
    fn words(&self) -> String {
        let quoted = |part: &Option<String>| part.clone().unwrap_or_else(|| "null".into());
        format!(
            "{{imageDigest:'{}', imageTag:'{}'}}",
            quoted(&self.image_digest),
            quoted(&self.image_tag)
        )
    }

    fn value(&self) -> Value {
        without_nulls(json!({ "imageDigest": self.image_digest, "imageTag": self.image_tag }))
    }

    fn check(&self) -> Result<(), AwsError> {
        if self.image_digest.is_none() && self.image_tag.is_none() {
            return Err(invalid(
                "Invalid parameter at 'imageIds' failed to satisfy constraint: 'imageDigest and imageTag must not both be absent'",
            ));
        }
        let hex = |digest: &str| {
            digest
                .strip_prefix("sha256:")
                .is_some_and(|hex| hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit()))
        };
        if let Some(digest) = &self.image_digest
            && !hex(digest)
        {
            return Err(invalid(format!(
                "Invalid parameter at 'imageDigest' failed to satisfy constraint: 'must satisfy regular expression '[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+'' ({digest})"
            )));
        }
        Ok(())
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ImagesInput {
    registry_id: Option<String>,
    repository_name: Option<String>,
    image_ids: Option<Vec<ImageId>>,
    image_id: Option<ImageId>,
    filter: Option<Filter>,
    max_results: Option<usize>,
    next_token: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Filter {
    tag_status: Option<String>,
}

impl ImagesInput {
    fn repository<'a>(&self, account: &'a Account) -> Result<&'a Repository, AwsError> {
        let name = self.repository_name.as_deref().ok_or_else(|| {
            invalid("Invalid parameter at 'repositoryName' failed to satisfy constraint: 'Member must not be null'")
        })?;
        let registry = self.registry_id.as_deref().unwrap_or(&account.id);
        account
            .repositories
            .get(name)
            .filter(|_| registry == account.id)
            .ok_or_else(|| no_repository(name, registry))
    }

    fn page<T: Clone>(&self, items: &[T]) -> Result<(Vec<T>, Option<String>), AwsError> {
        let size = self.max_results.unwrap_or(100);
        if !(1..=1000).contains(&size) {
            return Err(invalid(
                "Invalid parameter at 'maxResults' failed to satisfy constraint: 'Member must have value between 1 and 1000'",
            ));
        }
        page(items, self.next_token.as_deref(), size).ok_or_else(|| invalid("Invalid parameter at 'nextToken'"))
    }

    fn takes(&self, image: &Image) -> bool {
        match self.filter.as_ref().and_then(|filter| filter.tag_status.as_deref()) {
            Some("TAGGED") => !image.tags.is_empty(),
            Some("UNTAGGED") => image.tags.is_empty(),
            _ => true,
        }
    }
}

fn no_repository(name: &str, registry: &str) -> AwsError {
    AwsError::new(
        "RepositoryNotFoundException",
        format!("The repository with name '{name}' does not exist in the registry with id '{registry}'"),
    )
}

fn find<'a>(account: &Account, repository: &'a Repository, id: &ImageId) -> Result<&'a Image, AwsError> {
    id.check()?;
    repository
        .images
        .iter()
        .find(|image| id.matches(image))
        .ok_or_else(|| {
            AwsError::new(
                "ImageNotFoundException",
                format!(
                    "The image with imageId {} does not exist within the repository with name '{}' in the registry with id '{}'",
                    id.words(),
                    repository.name,
                    account.id
                ),
            )
        })
}

fn describe_images(account: &Account, body: Value) -> Result<Value, AwsError> {
    let wanted: ImagesInput = input(body)?;
    let repository = wanted.repository(account)?;
    let images: Vec<&Image> = match &wanted.image_ids {
        Some(ids) if !ids.is_empty() => ids
            .iter()
            .map(|id| find(account, repository, id))
            .collect::<Result<_, _>>()?,
        _ => repository.images.iter().filter(|image| wanted.takes(image)).collect(),
    };
    let (images, next) = wanted.page(&images)?;
    let details: Vec<Value> = images
        .into_iter()
        .map(|image| detail(account, repository, image))
        .collect();
    Ok(without_nulls(json!({ "imageDetails": details, "nextToken": next })))
}

fn detail(account: &Account, repository: &Repository, image: &Image) -> Value {
    json!({
        "registryId": account.id,
        "repositoryName": repository.name,
        "imageDigest": image.digest,
        "imageTags": (!image.tags.is_empty()).then_some(&image.tags),
        "imageSizeInBytes": image.size,
        "imagePushedAt": epoch(image.pushed.0),
        "imageScanStatus": image.scan.as_ref().map(|_| scan_status()),
        "imageScanFindingsSummary": image.scan.as_ref().map(|_| json!({
            "imageScanCompletedAt": epoch(image.pushed.0),
            "vulnerabilitySourceUpdatedAt": epoch(image.pushed.0),
            "findingSeverityCounts": severities(image),
        })),
        "imageManifestMediaType": MANIFEST,
        "artifactMediaType": "application/vnd.docker.container.image.v1+json",
        "imageStatus": "ACTIVE",
    })
}

fn scan_status() -> Value {
    json!({ "status": "COMPLETE", "description": "The scan was completed successfully." })
}

fn severities(image: &Image) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for finding in image.scan.iter().flatten() {
        *counts.entry(finding.severity.as_str()).or_default() += 1;
    }
    counts
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RepositoriesInput {
    registry_id: Option<String>,
    #[serde(default)]
    repository_names: Vec<String>,
    max_results: Option<usize>,
    next_token: Option<String>,
}

/// Where images of a repository are pulled from.
pub(crate) fn uri(account: &Account, repository: &str) -> String {
    format!("{}.dkr.ecr.{}.amazonaws.com/{repository}", account.id, account.region)
}

fn describe_repositories(account: &Account, body: Value) -> Result<Value, AwsError> {
    let wanted: RepositoriesInput = input(body)?;
    let registry = wanted.registry_id.as_deref().unwrap_or(&account.id);
    let found: Vec<&Repository> = if wanted.repository_names.is_empty() {
        account.repositories.values().collect()
    } else {
        wanted
            .repository_names
            .iter()
            .map(|name| {
                account
                    .repositories
                    .get(name)
                    .ok_or_else(|| no_repository(name, registry))
            })
            .collect::<Result<_, _>>()?
    };
    let size = wanted.max_results.unwrap_or(100).clamp(1, 1000);
    let (found, next) =
        page(&found, wanted.next_token.as_deref(), size).ok_or_else(|| invalid("Invalid parameter at 'nextToken'"))?;
    let views: Vec<Value> = found
        .into_iter()
        .map(|repository| {
            json!({
                "repositoryArn": account.arn("ecr", &format!("repository/{}", repository.name)),
                "registryId": account.id,
                "repositoryName": repository.name,
                "repositoryUri": uri(account, &repository.name),
                "createdAt": epoch(repository.created.0),
                "imageTagMutability":
                    if repository.immutable { "IMMUTABLE" } else { "MUTABLE" },
                "imageScanningConfiguration": { "scanOnPush": repository.scan_on_push },
                "encryptionConfiguration": { "encryptionType": "AES256" },
            })
        })
        .collect();
    Ok(without_nulls(json!({ "repositories": views, "nextToken": next })))
}

fn list_images(account: &Account, body: Value) -> Result<Value, AwsError> {
    let wanted: ImagesInput = input(body)?;
    let repository = wanted.repository(account)?;
    let ids: Vec<Value> = repository
        .images
        .iter()
        .filter(|image| wanted.takes(image))
        .flat_map(|image| {
            let untagged = image.tags.is_empty();
            let digest = &image.digest;
            image
                .tags
                .iter()
                .map(move |tag| json!({ "imageDigest": digest, "imageTag": tag }))
                .chain(untagged.then(|| json!({ "imageDigest": digest })))
        })
        .collect();
    let (ids, next) = wanted.page(&ids)?;
    Ok(without_nulls(json!({ "imageIds": ids, "nextToken": next })))
}

fn batch_get_image(account: &Account, body: Value) -> Result<Value, AwsError> {
    let wanted: ImagesInput = input(body)?;
    let repository = wanted.repository(account)?;
    let (mut images, mut failures) = (Vec::new(), Vec::new());
    for id in wanted.image_ids.iter().flatten() {
        match find(account, repository, id) {
            Ok(image) => images.push(without_nulls(json!({
                "registryId": account.id,
                "repositoryName": repository.name,
                "imageId": { "imageDigest": image.digest, "imageTag": id.image_tag },
                "imageManifest": manifest(image),
                "imageManifestMediaType": MANIFEST,
            }))),
            Err(_) => failures.push(json!({
                "imageId": id.value(),
                "failureCode": "ImageNotFound",
                "failureReason": "Requested image not found",
            })),
        }
    }
    Ok(json!({ "images": images, "failures": failures }))
}

fn manifest(image: &Image) -> String {
    json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {
            "mediaType": "application/vnd.docker.container.image.v1+json",
            "size": 1024,
            "digest": super::model::digest(&format!("config of {}", image.digest)),
        },
        "layers": [{
            "mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip",
            "size": image.size,
            "digest": super::model::digest(&format!("layer of {}", image.digest)),
        }],
    })
    .to_string()
}

fn describe_findings(account: &Account, body: Value) -> Result<Value, AwsError> {
    let wanted: ImagesInput = input(body)?;
    let repository = wanted.repository(account)?;
    let id = wanted.image_id.clone().ok_or_else(|| {
        invalid("Invalid parameter at 'imageId' failed to satisfy constraint: 'Member must not be null'")
    })?;
    let image = find(account, repository, &id)?;
    let Some(findings) = &image.scan else {
        return Err(AwsError::new(
            "ScanNotFoundException",
            format!(
                "Image scan does not exist for the image with '{}' in the repository with name '{}' in the registry with id '{}'",
                id.words(),
                repository.name,
                account.id
            ),
        ));
    };
    let (page, next) = wanted.page(findings)?;
    let findings: Vec<Value> = page
        .into_iter()
        .map(|finding| {
            json!({
                "name": finding.name,
                "description": finding.description,
                "uri": finding.uri,
                "severity": finding.severity,
                "attributes": [],
            })
        })
        .collect();
    Ok(without_nulls(json!({
        "registryId": account.id,
        "repositoryName": repository.name,
        "imageId": { "imageDigest": image.digest, "imageTag": id.image_tag },
        "imageScanStatus": scan_status(),
        "imageScanFindings": {
            "imageScanCompletedAt": epoch(image.pushed.0),
            "vulnerabilitySourceUpdatedAt": epoch(image.pushed.0),
            "findingSeverityCounts": severities(image),
            "findings": findings,
        },
        "nextToken": next,
    })))
}
